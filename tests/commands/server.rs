//! The server.

use super::check;

#[test]
fn a_name_that_is_no_command_is_refused() {
    check("> Xserver  < -ERR unknown command 'Xserver', with args beginning with: *");
}
