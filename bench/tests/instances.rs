//! The memory of instances. It is the whole process that is measured, so this test has one of its own: others that run
//! meanwhile would give back memory that is taken here.

use bench::instances;
use bench::rival;
use bench::tools::Tools;

#[test]
fn instances_are_made_and_their_memory_is_found() {
    let ours = rival::all().into_iter().find(|rival| rival.id == "ours-x").expect("the runtime");
    for pool in [false, true] {
        let [idle, used] = instances::crowd(&ours, 20, pool, &Tools::here()).expect("instances");
        // An object is in memory that was touched.
        assert!(used > idle, "{idle} {used}");
    }
}
