//! Lists.

use super::check;

#[test]
fn a_pop_of_an_empty_list_waits_for_a_push() {
    check(
        r#"
        > LPUSH l a b                     < :2
        > RPOP l                          < "a"
        > RPOP l                          < "b"
        > RPOP l                          < nil
        > BRPOP l 0.1                     < nil-array
        a> BRPOP l 0                      < blocks
        b> LPUSH l v                      < :1
        a< ["l" "v"]
        "#,
    );
}
