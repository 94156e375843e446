//! Bitmaps.

use super::check;

#[test]
fn a_bit_is_set_and_read_back_and_the_string_grows_with_zeros() {
    check(
        r#"
        > SETBIT b 7 1                    < :0
        > GET b                           < "\x01"
        > SETBIT b 7 0                    < :1
        > GET b                           < "\x00"
        > SETBIT b 23 1                   < :0
        > GET b                           < "\x00\x00\x01"
        > STRLEN b                        < :3
        > GETBIT b 23                     < :1
        > GETBIT b 22                     < :0
        > GETBIT b 1000                   < :0
        > GETBIT b 4294967295             < :0
        > GETBIT none 0                   < :0
        > EXISTS none                     < :0
        > SETBIT none 9 0                 < :0
        > GET none                        < "\x00\x00"
        > OBJECT ENCODING none            < "raw"
        > SETBIT b 4294967296 1           < -ERR bit offset is not an integer or out of range
        > SETBIT b -1 1                   < -ERR bit offset is not an integer or out of range
        > SETBIT b x y                    < -ERR bit offset is not an integer or out of range
        > SETBIT b 0 2                    < -ERR bit is not an integer or out of range
        > SETBIT b 0 -1                   < -ERR bit is not an integer or out of range
        > GETBIT b 4294967296             < -ERR bit offset is not an integer or out of range
        > RPUSH l x                       < :1
        > SETBIT l 0 1                    < -WRONGTYPE *
        > GETBIT l 0                      < -WRONGTYPE *
        > SETBIT l 0 2                    < -ERR bit is not an integer or out of range
        > SETBIT b 0                      < -ERR wrong number of arguments for 'setbit' command
        "#,
    );
}

#[test]
fn an_integer_is_its_digits_and_an_untouched_deadline_stays() {
    check(
        r#"
        > SET i 12345 EX 100              < +OK
        > OBJECT ENCODING i               < "int"
        > GETBIT i 2                      < :1
        > SETBIT i 2 1                    < :1
        > OBJECT ENCODING i               < "raw"
        > GET i                           < "12345"
        > TTL i                           < :95..100
        > SETBIT i 0 1                    < :0
        > GET i                           < "\xb12345"
        > SET e short                     < +OK
        > OBJECT ENCODING e               < "embstr"
        > SETBIT e 0 0                    < :0
        > OBJECT ENCODING e               < "raw"
        > SET i 77                        < +OK
        > BITCOUNT i                      < :10
        > BITPOS i 1                      < :2
        > BITFIELD i GET u8 0 GET u8 8    < [:55 :55]
        > OBJECT ENCODING i               < "int"
        > SETBIT i 40 1                   < :0
        > GET i                           < "77\x00\x00\x00\x80"
        "#,
    );
}

#[test]
fn long_strings_are_changed_where_they_are() {
    check(
        r#"
        > SETBIT b 7679 1                 < :0
        > STRLEN b                        < :960
        > SETBIT b 7680 1                 < :0
        > STRLEN b                        < :961
        > BITCOUNT b                      < :2
        > BITPOS b 1                      < :7679
        > SETBIT b 100000 1               < :0
        > BITCOUNT b                      < :3
        > BITCOUNT b 960 -1               < :2
        > GETBIT b 7680                   < :1
        > COPY b c                        < :1
        > SETBIT b 7680 0                 < :1
        > GETBIT c 7680                   < :1
        > BITCOUNT c                      < :3
        > BITCOUNT b                      < :2
        > BITFIELD b SET u16 #500 65535   < [:0]
        > BITCOUNT b                      < :18
        > BITOP NOT n b                   < :12501
        > BITCOUNT n                      < :99990
        > SETBIT big 80000007 1           < :0
        > STRLEN big                      < :10000001
        > BITCOUNT big                    < :1
        > BITPOS big 1                    < :80000007
        > BITFIELD big GET u8 80000007    < [:128]
        > DEL big                         < :1
        "#,
    );
}

#[test]
fn a_count_may_be_of_a_part_in_bytes_or_bits() {
    check(
        r#"
        > SET s foobar                    < +OK
        > BITCOUNT s                      < :26
        > BITCOUNT s 0 0                  < :4
        > BITCOUNT s 1 1                  < :6
        > BITCOUNT s 1 1 BYTE             < :6
        > BITCOUNT s 5 30 BIT             < :17
        > BITCOUNT s 5 30 bit             < :17
        > BITCOUNT s -2 -1                < :7
        > BITCOUNT s -100 100             < :26
        > BITCOUNT s 3 2                  < :0
        > BITCOUNT s -1 -5                < :0
        > BITCOUNT s -100 -90             < :4
        > BITCOUNT s -90 -100             < :0
        > BITCOUNT s 100 200              < :0
        > BITCOUNT s 0 -1 BIT             < :26
        > BITCOUNT s -9223372036854775808 9223372036854775807   < :26
        > BITCOUNT none                   < :0
        > SET e ""                        < +OK
        > BITCOUNT e                      < :0
        > BITCOUNT e 0 -1                 < :0
        > BITCOUNT s 0                    < -ERR syntax error
        > BITCOUNT s 0 1 hello            < -ERR syntax error
        > BITCOUNT s 0 1 BIT more         < -ERR syntax error
        > BITCOUNT s a 1                  < -ERR value is not an integer or out of range
        > RPUSH l x                       < :1
        > BITCOUNT l                      < -WRONGTYPE *
        "#,
    );
    // Redis 7.0 looked at the key first.
    check(
        r#"
        ! only 7.2
        > RPUSH l x                       < :1
        > BITCOUNT none a b               < -ERR value is not an integer or out of range
        > BITCOUNT none 0 1 hello         < -ERR syntax error
        > BITCOUNT l a b                  < -ERR value is not an integer or out of range
        > BITCOUNT none -1 -5 hello       < -ERR syntax error
        > BITPOS none 1 x                 < -ERR value is not an integer or out of range
        > BITPOS l 1 0 x                  < -ERR value is not an integer or out of range
        > BITPOS l 1 0 x hello            < -ERR syntax error
        > BITPOS l 1 0 1 BIT more         < -ERR syntax error
        "#,
    );
}

#[test]
fn the_first_bit_is_found_and_clear_bits_follow_an_open_end() {
    check(
        r#"
        > SET s "\xff\xf0\x00"            < +OK
        > BITPOS s 0                      < :12
        > BITPOS s 1                      < :0
        > BITPOS s 1 1                    < :8
        > BITPOS s 1 2                    < :-1
        > BITPOS s 0 0 0                  < :-1
        > BITPOS s 0 0 -1                 < :12
        > BITPOS s 1 2 -1 BYTE            < :-1
        > BITPOS s 1 7 15 BIT             < :7
        > BITPOS s 0 7 15 BIT             < :12
        > BITPOS s 0 0 11 BIT             < :-1
        > BITPOS s 1 12 -1 BIT            < :-1
        > BITPOS s 1 13 12 BIT            < :-1
        > BITPOS s 1 -1 -2                < :-1
        > SET ones "\xff\xff\xff"         < +OK
        > BITPOS ones 0                   < :24
        > BITPOS ones 0 0                 < :24
        > BITPOS ones 0 0 -1              < :-1
        > BITPOS ones 0 3                 < :-1
        > BITPOS ones 0 2                 < :24
        > BITPOS ones 0 0 -1 BIT          < :-1
        > BITPOS ones 1 -100 100          < :0
        > BITPOS none 0                   < :0
        > BITPOS none 1                   < :-1
        > SET e ""                        < +OK
        > BITPOS e 0                      < :-1
        > BITPOS e 1                      < :-1
        > BITPOS s 2                      < -ERR The bit argument must be 1 or 0.
        > BITPOS s a                      < -ERR value is not an integer or out of range
        > BITPOS s 1 0 1 hello            < -ERR syntax error
        > BITPOS s 1 0 x BIT              < -ERR value is not an integer or out of range
        > RPUSH l x                       < :1
        > BITPOS l 1                      < -WRONGTYPE *
        > BITPOS l 2                      < -ERR The bit argument must be 1 or 0.
        "#,
    );
}

#[test]
fn strings_are_combined_as_if_they_were_equally_long() {
    check(
        r#"
        > SET a "\xf0\x0f\xff"            < +OK
        > SET b "\xff\x00"                < +OK
        > SET i 1                         < +OK
        > BITOP AND d a b                 < :3
        > GET d                           < "\xf0\x00\x00"
        > BITOP OR d a b                  < :3
        > GET d                           < "\xff\x0f\xff"
        > BITOP XOR d a b none            < :3
        > GET d                           < "\x0f\x0f\xff"
        > BITOP NOT d a                   < :3
        > GET d                           < "\x0f\xf0\x00"
        > OBJECT ENCODING d               < "raw"
        > BITOP OR d i                    < :1
        > GET d                           < "1"
        > OBJECT ENCODING d               < "raw"
        > BITOP and d a none              < :3
        > GET d                           < "\x00\x00\x00"
        > EXPIRE d 100                    < :1
        > BITOP AND a a b                 < :3
        > GET a                           < "\xf0\x00\x00"
        > BITOP OR d a                    < :3
        > TTL d                           < :-1
        > BITOP OR d none                 < :0
        > EXISTS d                        < :0
        > BITOP NOT d none                < :0
        > RPUSH l x                       < :1
        > BITOP OR d a l                  < -WRONGTYPE *
        > BITOP OR l a                    < :3
        > TYPE l                          < +string
        > BITOP NOT d a b                 < -ERR BITOP NOT must be called with a single source key.
        > BITOP FOO d a                   < -ERR syntax error
        > BITOP AND d                     < -ERR wrong number of arguments for 'bitop' command
        "#,
    );
    // Redis 8.2's, which neither oracle has.
    check(
        r#"
        ! no-oracle
        > SET x "\xf0\xff"                < +OK
        > SET y "\x3c"                    < +OK
        > SET z "\x03\x0f\xff"            < +OK
        > BITOP DIFF d x y z              < :3
        > GET d                           < "\xc0\xf0\x00"
        > BITOP DIFF1 d x y z             < :3
        > GET d                           < "\x0f\x00\xff"
        > BITOP ANDOR d x y z             < :3
        > GET d                           < "\x30\x0f\x00"
        > BITOP ONE d x y z               < :3
        > GET d                           < "\xcf\xf0\xff"
        > BITOP ONE d x                   < :2
        > GET d                           < "\xf0\xff"
        > BITOP DIFF d x                  < -ERR BITOP DIFF must be called with at least two source keys.
        > BITOP diff1 d x                 < -ERR BITOP DIFF1 must be called with at least two source keys.
        > BITOP ANDOR d x                 < -ERR BITOP ANDOR must be called with at least two source keys.
        "#,
    );
}

#[test]
fn fields_are_read_set_and_counted_up_in_one_go() {
    check(
        r#"
        > BITFIELD f SET u8 0 255 GET u8 0 INCRBY u8 0 10   < [:0 :255 :9]
        > BITFIELD f GET u4 0 GET i4 4 GET u8 #1            < [:0 :-7 :0]
        > BITFIELD f SET i5 100 -1 GET u5 100 GET i5 100    < [:0 :31 :-1]
        > STRLEN f                                          < :14
        > BITFIELD f SET i64 3 -9223372036854775808 GET i64 3 GET u63 4   < [* :-9223372036854775808 :0]
        > BITFIELD f INCRBY u2 200 1 OVERFLOW SAT INCRBY u2 202 3 INCRBY u2 202 3   < [:1 :3 :3]
        > BITFIELD f OVERFLOW FAIL INCRBY u2 202 1 OVERFLOW WRAP INCRBY u2 202 1    < [nil :0]
        > BITFIELD f OVERFLOW sat SET i8 0 300 SET i8 0 -300 GET i8 0   < [* :127 :-128]
        > BITFIELD f OVERFLOW FAIL SET u8 0 -1 SET i8 0 128 GET u8 0    < [nil nil :128]
        > BITFIELD f SET u8 0 -1 GET u8 0                   < [:128 :255]
        > BITFIELD f                                        < []
        > BITFIELD none GET u8 0                            < [:0]
        > EXISTS none                                       < :0
        > BITFIELD none OVERFLOW FAIL                       < []
        > BITFIELD none OVERFLOW FAIL SET u1 31 2           < [nil]
        > GET none                                          < "\x00\x00\x00\x00"
        > SET i 12345                                       < +OK
        > BITFIELD i GET u8 0 SET u8 0 48                   < [:49 :49]
        > GET i                                             < "02345"
        > OBJECT ENCODING i                                 < "raw"
        > BITFIELD_RO i GET u8 0 GET u8 #4 GET u8 #5        < [:48 :53 :0]
        > BITFIELD_RO i                                     < []
        > BITFIELD_RO none GET i64 0                        < [:0]
        "#,
    );
}

#[test]
fn what_is_no_field_is_refused_before_anything_is_written() {
    check(
        r#"
        > SET s hello                                       < +OK
        > RPUSH l x                                         < :1
        > BITFIELD s SET u8 0 1 GET u64 0                   < -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD s SET u8 0 1 GET i65 0                   < -ERR Invalid bitfield type.*
        > BITFIELD s GET u0 0                               < -ERR Invalid bitfield type.*
        > BITFIELD s GET u08 0                              < -ERR Invalid bitfield type.*
        > BITFIELD s GET U8 0                               < -ERR Invalid bitfield type.*
        > BITFIELD s GET u8 #                               < -ERR bit offset is not an integer or out of range
        > BITFIELD s GET u8 -1                              < -ERR bit offset is not an integer or out of range
        > BITFIELD s GET u8 4294967296                      < -ERR bit offset is not an integer or out of range
        > BITFIELD s GET u8 #536870912                      < -ERR bit offset is not an integer or out of range
        > BITFIELD s GET u4 #4611686018427387904            < [:6]
        > BITFIELD s OVERFLOW foo                           < -ERR Invalid OVERFLOW type specified
        > BITFIELD s OVERFLOW                               < -ERR syntax error
        > BITFIELD s SET u8 0 x                             < -ERR value is not an integer or out of range
        > BITFIELD s SET u8 0                               < -ERR syntax error
        > BITFIELD s SET u8 0 1 GET                         < -ERR syntax error
        > BITFIELD s ADD u8 0 1                             < -ERR syntax error
        > BITFIELD_RO s SET u8 0 1                          < -ERR BITFIELD_RO only supports the GET subcommand
        > BITFIELD_RO l SET u8 0 1                          < -ERR BITFIELD_RO only supports the GET subcommand
        > BITFIELD_RO s SET u99 0 1                         < -ERR Invalid bitfield type.*
        > BITFIELD_RO l GET u8 0                            < -WRONGTYPE *
        > BITFIELD l                                        < -WRONGTYPE *
        > BITFIELD l SET u8 0 1                             < -WRONGTYPE *
        > GET s                                             < "hello"
        "#,
    );
}
