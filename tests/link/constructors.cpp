// A static object with a constructor, in C++ without exceptions and without its standard library.
#include "rootstock.h"

namespace {
struct Cache {
    int runs = 0;
    int *kept = nullptr;
    Cache() {
        runs++;
        gc_add_roots(&kept, &kept + 1);
        kept = static_cast<int *>(alloc(sizeof(int)));
        *kept = 77;
    }
};
Cache cache;
} // namespace

extern "C" {
__attribute__((export_name("constructed"))) int constructed() { return cache.runs; }
__attribute__((export_name("ranges"))) int ranges() { return static_cast<int>(gc_stat(GC_ROOT_RANGES)); }
__attribute__((export_name("held"))) int held() {
    gc_collect();
    return cache.kept ? *cache.kept : 0;
}
}
