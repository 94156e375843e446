//! The connection.

use super::check;

#[test]
fn a_name_that_is_no_command_is_refused() {
    check("> Xconnection  < -ERR unknown command 'Xconnection', with args beginning with: *");
}
