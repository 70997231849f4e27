//! Option LARGE_INTERIOR.

use rootstock_core::options::GcOption;

use crate::host::TestHost;

/// With INTERIOR, LARGE_INTERIOR says how far into a large object an address may point. Small ones are kept by any.
#[test]
fn large_interior() {
    for (limit, offset, kept) in [
        (0, 99_999, true),
        (256, 255, true),
        (256, 256, false),
        (256, 0, true),
        (1, 1, false),
        (40_000, 39_999, true),
        (40_000, 40_000, false),
        (0x7FFF_FFFF, 99_999, true),
    ] {
        let host = TestHost::manual();
        host.configure(GcOption::Interior, 1);
        host.configure(GcOption::LargeInterior, limit);
        let large = host.alloc(100_000);
        let small = host.alloc(8192);
        host.push(large + offset);
        host.push(small + 8191);
        host.collect();
        assert_eq!(host.is_object(large), kept, "{limit} {offset}");
        assert!(host.is_object(small));
        // Without INTERIOR the option says nothing.
        host.configure(GcOption::Interior, 0);
        host.pop(2);
        host.push(large);
        host.collect();
        assert_eq!(host.is_object(large), kept);
        host.check();
    }
}
