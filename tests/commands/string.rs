//! Strings.

use super::check;

#[test]
fn what_was_set_is_what_is_got() {
    check(
        r#"
        > SET s x                         < +OK
        > GET s                           < "x"
        > GET missing                     < nil
        > GET                             < -ERR wrong number of arguments for 'get' command
        "#,
    );
}
