//! HyperLogLogs.

use super::check;

#[test]
fn elements_that_are_new_change_the_count() {
    check(
        r#"
        > PFADD h                         < :1
        > PFADD h                         < :0
        > GET h                           < "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
        > PFCOUNT h                       < :0
        > PFADD h a b c                   < :1
        > PFADD h a b c                   < :0
        > PFADD h d a                     < :1
        > PFCOUNT h                       < :4
        > PFCOUNT none                    < :0
        > EXISTS none                     < :0
        > TYPE h                          < +string
        > OBJECT ENCODING h               < "raw"
        > PFADD h2 c d e                  < :1
        > PFCOUNT h h2                    < :5
        > PFCOUNT h none h2               < :5
        "#,
    );
}

#[test]
fn a_count_is_kept_in_the_string_until_it_is_stale() {
    check(
        r#"
        > PFADD h a b c                   < :1
        > GETRANGE h 8 15                 < "\x00\x00\x00\x00\x00\x00\x00\x80"
        > PFCOUNT h                       < :3
        > GETRANGE h 8 15                 < "\x03\x00\x00\x00\x00\x00\x00\x00"
        > SETRANGE h 8 "\x07"             < :27
        > PFCOUNT h                       < :7
        > PFADD h a                       < :0
        > PFCOUNT h                       < :7
        > PFADD h x                       < :1
        > GETRANGE h 8 15                 < "\x07\x00\x00\x00\x00\x00\x00\x80"
        > PFCOUNT h                       < :4
        > EXPIRE h 100                    < :1
        > PFADD h y                       < :1
        > TTL h                           < :90..100
        "#,
    );
}

#[test]
fn merging_makes_the_destination_or_adds_to_it() {
    check(
        r#"
        > PFADD a 1 2 3                   < :1
        > PFADD b 3 4                     < :1
        > PFMERGE d a b none              < +OK
        > PFCOUNT d                       < :4
        > PFADD d 9                       < :1
        > PFMERGE d a                     < +OK
        > PFCOUNT d                       < :5
        > PFMERGE e                       < +OK
        > GET e                           < "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
        > PFDEBUG TODENSE b               < :1
        > PFMERGE e a b                   < +OK
        > PFDEBUG ENCODING e              < +dense
        > PFCOUNT e                       < :4
        > PFMERGE b a                     < +OK
        > PFCOUNT b                       < :4
        > PFMERGE l                       < +OK
        "#,
    );
}

#[test]
fn sparse_ones_become_dense_and_keep_their_registers() {
    check(
        r#"
        > PFADD h a b c                   < :1
        > PFDEBUG ENCODING h              < +sparse
        > PFDEBUG DECODE h                < "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
        > PFCOUNT h                       < :3
        > PFDEBUG todense h               < :1
        > PFDEBUG TODENSE h               < :0
        > STRLEN h                        < :12304
        > GETRANGE h 0 15                 < "HYLL\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00"
        > PFDEBUG DECODE h                < -ERR HLL encoding is not sparse
        > PFADD h a                       < :0
        > PFADD h d                       < :1
        > PFCOUNT h                       < :4
        > CONFIG SET hll-sparse-max-bytes 20   < +OK
        > PFADD s a                       < :1
        > PFDEBUG ENCODING s              < +dense
        > PFCOUNT s                       < :1
        > CONFIG SET hll-sparse-max-bytes 3000 < +OK
        > PFADD t a                       < :1
        > PFDEBUG GETREG t                < *
        > PFDEBUG ENCODING t              < +dense
        > PFSELFTEST                      < +OK
        "#,
    );
}

#[test]
fn what_is_no_hyperloglog_is_refused() {
    check(
        r#"
        > SET i 5                         < +OK
        > RPUSH l a                       < :1
        > PFADD i a                       < -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFCOUNT i                       < -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFMERGE d i                     < -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFDEBUG X i                     < -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFADD l a                       < -WRONGTYPE Operation *
        > PFCOUNT l                       < -WRONGTYPE Operation *
        > PFCOUNT none l                  < -WRONGTYPE Operation *
        > PFMERGE d l                     < -WRONGTYPE Operation *
        > PFMERGE l d                     < -WRONGTYPE Operation *
        > PFDEBUG X l                     < -WRONGTYPE Operation *
        > EXISTS d                        < :0
        > PFDEBUG X none                  < -ERR The specified key does not exist
        > PFADD h                         < :1
        > PFDEBUG X h                     < -ERR Unknown PFDEBUG subcommand 'X'
        > PFDEBUG GETREG                  < -ERR wrong number of arguments for 'pfdebug' command
        > SETRANGE h 4 "\x02"             < :18
        > PFADD h a                       < -WRONGTYPE Key is not a valid HyperLogLog string value.
        > SETRANGE h 4 "\x00"             < :18
        > PFADD h a                       < -WRONGTYPE Key is not a valid HyperLogLog string value.
        "#,
    );
}

#[test]
fn corrupt_runs_are_refused_where_they_are_found_to_be() {
    check(
        r#"
        > PFADD h a b                     < :1
        > SETRANGE h 16 zzz               < *
        > PFADD h a                       < *
        > PFCOUNT h                       < -INVALIDOBJ Corrupted HLL object detected
        > PFMERGE e h                     < -INVALIDOBJ Corrupted HLL object detected
        > EXISTS e                        < :0
        > PFMERGE h                       < -INVALIDOBJ Corrupted HLL object detected
        > PFDEBUG TODENSE h               < -INVALIDOBJ Corrupted HLL object detected
        > PFDEBUG GETREG h                < -INVALIDOBJ Corrupted HLL object detected
        > PFADD k x                       < :1
        > PFCOUNT k h                     < -INVALIDOBJ Corrupted HLL object detected
        > APPEND k "\x01"                 < :21 
        > PFCOUNT k                       < -INVALIDOBJ Corrupted HLL object detected
        > PFADD k y                       < :1
        > SET c "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"    < +OK
        > PFADD c a                       < -INVALIDOBJ Corrupted HLL object detected
        > PFCOUNT c                       < -INVALIDOBJ Corrupted HLL object detected
        > PFDEBUG DECODE c                < ""
        > SET c "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00"    < +OK
        > PFADD c a                       < -INVALIDOBJ Corrupted HLL object detected
        "#,
    );
}
