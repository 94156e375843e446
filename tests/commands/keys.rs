//! Keys of any type.

use super::check;

#[test]
fn an_unknown_command_is_quoted_with_its_arguments() {
    check(
        r#"
        > NOSUCH a b                      < -ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' *
        "#,
    );
}
