//! Points of the earth.

use super::check;

#[test]
fn points_are_members_whose_scores_are_52_bits_of_a_geohash() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania   < :2
        > ZRANGE g 0 -1 WITHSCORES        < ["Palermo" "3479099956230698" "Catania" "3479447370796909"]
        > OBJECT ENCODING g               < "listpack"
        > GEOADD g 13.361389 38.115556 Palermo 2 3 x                         < :1
        > GEOADD g CH 13.5 38.115556 Palermo 2 4 x 5 6 y                     < :3
        > GEOADD g NX 1 1 Palermo         < :0
        > GEOADD g XX CH 1 1 z 1 1 y      < :1
        > GEOADD none XX 1 1 z            < :0
        > EXISTS none                     < :0
        > GEOADD e 180 85.05112878 ne -180 -85.05112878 sw 0 0 o             < :3
        > ZRANGE e 0 -1 WITHSCORES        < ["sw" "0" "o" "3377699720527872" "ne" "13510798882111488"]
        > GEOHASH g x                     < ["s09qv80mem0"]
        > GEOPOS e o                      < [["0.00000268220901489" "0.00000126736058093"]]
        "#,
    );
}

#[test]
fn what_is_no_point_is_refused_before_the_key_is_looked_at() {
    check(
        r#"
        > SET s x                         < +OK
        > GEOADD s nx xx ch               < -ERR syntax error
        > GEOADD s nx xx 1 2 a            < -ERR syntax error
        > GEOADD s nx ch 1                < -ERR syntax error
        > GEOADD s 1 2 a 3 4              < -ERR syntax error
        > GEOADD s 1 2                    < -ERR wrong number of arguments for 'geoadd' command
        > GEOADD s 181 2 a                < -ERR invalid longitude,latitude pair 181.000000,2.000000
        > GEOADD s 1 86 a                 < -ERR invalid longitude,latitude pair 1.000000,86.000000
        > GEOADD s inf 86 a               < -ERR invalid longitude,latitude pair inf,86.000000
        > GEOADD s 1 2 a x 86 a           < -ERR value is not a valid float
        > GEOADD s nan 86 a               < -ERR value is not a valid float
        > GEOADD s 1 2 a                  < -WRONGTYPE *
        "#,
    );
}

#[test]
fn distances_have_four_decimals_in_any_unit() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania   < :2
        > GEODIST g Palermo Catania       < "166274.1516"
        > GEODIST g Palermo Catania km    < "166.2742"
        > GEODIST g Palermo Catania MI    < "103.3182"
        > GEODIST g Palermo Catania fT    < "545518.8700"
        > GEODIST g Palermo Palermo       < "0.0000"
        > GEODIST g Palermo none          < nil
        > GEODIST none a b                < nil
        > GEODIST none a b parsec         < -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEODIST g Palermo Catania km x  < -ERR syntax error
        > SET s x                         < +OK
        > GEODIST s a b                   < -WRONGTYPE *
        > ZADD g -1 below inf beyond 1e17 above   < :3
        > GEOPOS g below beyond above     < [["180" "85.0511287799999991"] ["-179.99999731779098511" "-85.05112751263942528"] ["180" "85.0511287799999991"]]
        "#,
    );
}

#[test]
fn members_that_are_missing_have_no_geohash_and_no_place() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania   < :2
        > GEOHASH g Palermo none Catania  < ["sqc8b49rny0" nil "sqdtr74hyu0"]
        > GEOHASH g                       < []
        > GEOHASH none a b                < [nil nil]
        > GEOPOS g Palermo none           < [["13.36138933897018433" "38.11555639549629859"] nil-array]
        > GEOPOS none a                   < [nil-array]
        > GEOPOS none                     < []
        > SET s x                         < +OK
        > GEOHASH s                       < -WRONGTYPE *
        > GEOPOS s a                      < -WRONGTYPE *
        "#,
    );
}

#[test]
fn a_search_finds_what_is_in_a_circle_or_a_box() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania   < :2
        > GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2      < :2
        > GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC         < ["Catania" "Palermo"]
        > GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km DESC        < ["Palermo" "Catania"]
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC        < ["Catania" "Palermo" "edge2" "edge1"]
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km WITHDIST WITHHASH WITHCOORD COUNT 1   < [["Catania" "56.4413" :3479447370796909 ["15.08726745843887329" "37.50266842333162032"]]]
        > GEOSEARCH g FROMMEMBER Catania BYRADIUS 0 m              < ["Catania"]
        > GEOSEARCH g FROMMEMBER Catania BYRADIUS 1e9 m COUNT 1 ANY                < *
        > GEOSEARCH none FROMMEMBER nope BYRADIUS 1 km             < []
        > GEOSEARCH g BYRADIUS 100 km FROMMEMBER Palermo BYRADIUS 200 km DESC COUNT 9223372036854775807  < ["Catania" "edge1" "Palermo"]
        > GEORADIUS g 15 37 200 km WITHDIST ASC                    < [["Catania" "56.4413"] ["Palermo" "190.4424"]]
        > GEORADIUS_RO g 15 37 200 km WITHCOORD COUNT 1            < [["Catania" ["15.08726745843887329" "37.50266842333162032"]]]
        > GEORADIUSBYMEMBER g Palermo 200 km COUNT 2               < ["Palermo" "edge1"]
        > GEORADIUSBYMEMBER_RO g Palermo 200 km WITHHASH ASC COUNT 1   < [["Palermo" :3479099956230698]]
        > GEORADIUS none 15 37 1 km                                < []
        > GEORADIUSBYMEMBER none m x y                             < []
        "#,
    );
}

#[test]
fn a_search_reaches_around_the_earth_and_over_its_edges() {
    check(
        r#"
        > GEOADD g 179.9 0 east -179.9 0 west 0 85 north 0 -85 south 180 85 corner 0 0 zero     < :6
        > GEOSEARCH g FROMLONLAT 179.95 0 BYRADIUS 50 km ASC       < ["east" "west"]
        > GEOSEARCH g FROMLONLAT 180 0 BYBOX 50 1 km ASC WITHDIST  < *
        > GEOSEARCH g FROMLONLAT 0 85 BYRADIUS 1500 km ASC         < ["north"]
        > GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 30000 km DESC COUNT 2 WITHDIST  < *
        > GEOSEARCH g FROMMEMBER zero BYRADIUS 1e300 km ASC COUNT 3  < *
        > GEOSEARCH g FROMMEMBER zero BYRADIUS inf km ASC COUNT 1  < *
        "#,
    );
}

#[test]
fn what_a_search_finds_can_be_stored() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania   < :2
        > SET d x                                                  < +OK
        > GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km      < :2
        > ZRANGE d 0 -1 WITHSCORES        < ["Palermo" "3479099956230698" "Catania" "3479447370796909"]
        > GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST COUNT 1  < :1
        > ZRANGE d 0 -1                   < ["Catania"]
        > GEORADIUS g 15 37 200 km STORE g2                        < :2
        > GEORADIUSBYMEMBER g Palermo 200 km STOREDIST g3          < :2
        > ZRANGE g3 0 -1                  < ["Palermo" "Catania"]
        > GEORADIUS g 15 37 200 km STORE g4 STOREDIST g2           < :2
        > EXISTS g4                       < :0
        > GEORADIUS g 0 0 1 m STORE g2    < :0
        > EXISTS g2                       < :0
        > GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m          < :0
        > EXISTS d                        < :0
        > GEORADIUSBYMEMBER none a x y STORE g3                    < :0
        > EXISTS g3                       < :0
        > GEOSEARCHSTORE g g FROMMEMBER Palermo BYRADIUS 1 m       < :1
        > ZCARD g                         < :1
        "#,
    );
}

#[test]
fn arguments_of_a_search_are_refused_in_the_order_of_redis() {
    check(
        r#"
        > GEOADD g 13.361389 38.115556 Palermo                     < :1
        > SET s x                                                  < +OK
        > GEORADIUS s x 37 200 km         < -WRONGTYPE *
        > GEORADIUS g 15 37 -1 km         < -ERR radius cannot be negative
        > GEORADIUS g 15 37 x y           < -ERR need numeric radius
        > GEORADIUS g 15 37 1 y           < -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEORADIUS none 200 37 1 y       < -ERR invalid longitude,latitude pair 200.000000,37.000000
        > GEORADIUS none 15 37 1 km foo   < -ERR syntax error
        > GEORADIUSBYMEMBER none m x y WITHDIST STORE k            < -ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        > GEORADIUSBYMEMBER g m x y       < -ERR could not decode requested zset member
        > GEORADIUSBYMEMBER g Palermo x y                          < -ERR need numeric radius
        > GEORADIUSBYMEMBER g Palermo 2 km COUNT 0                 < -ERR COUNT must be > 0
        > GEORADIUSBYMEMBER g Palermo 2 km COUNT x                 < -ERR value is not an integer or out of range
        > GEORADIUSBYMEMBER g Palermo 2 km COUNT                   < -ERR syntax error
        > GEORADIUSBYMEMBER g Palermo 2 km ANY                     < -ERR the ANY argument requires COUNT argument
        > GEORADIUSBYMEMBER g Palermo 2 km STORE                   < -ERR syntax error
        > GEORADIUSBYMEMBER_RO g Palermo 2 km STORE d              < -ERR syntax error
        > GEORADIUS_RO g 1 1 2 km STOREDIST d                      < -ERR syntax error
        > GEOSEARCH g FROMMEMBER Palermo                           < -ERR wrong number of arguments for 'geosearch' command
        > GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 km BYBOX 1 1 km   < -ERR syntax error
        > GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km < -ERR syntax error
        > GEOSEARCH g FROMMEMBER nope BYRADIUS x km                < -ERR could not decode requested zset member
        > GEOSEARCH none FROMMEMBER nope BYRADIUS x km             < -ERR need numeric radius
        > GEOSEARCH none BYRADIUS 1 km ASC DESC                    < -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH
        > geosearch none BYRADIUS 1 km ASC DESC                    < -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch
        > GEOSEARCH none FROMMEMBER a ASC DESC ASC                 < -ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX x 1 km                < -ERR need numeric width
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 x km                < -ERR need numeric height
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX -1 1 y                < -ERR height or width cannot be negative
        > GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1 y                 < -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 km STOREDIST     < -ERR syntax error
        > GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 4 4 km WITHDIST   < -ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        > GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 4 4 km STORE k < -ERR syntax error
        > GEOSEARCHSTORE d s FROMLONLAT 15 37 BYBOX 4 4 km         < -WRONGTYPE *
        "#,
    );
}

#[test]
fn near_the_poles_cells_are_as_coarse_as_the_area_is_wide() {
    // Cells were chosen by distances to their edges once, and missed what is beyond the date line.
    check(
        r#"
        > GEOADD g -177.84746 -78.96548 far 176.435105 -81.207392 near       < :2
        > GEOSEARCH g FROMLONLAT 179.99 -84.9 BYRADIUS 716109 m DESC         < ["far" "near"]
        > GEOSEARCH g FROMLONLAT 179.99 -84.9 BYRADIUS 500000 m DESC         < ["near"]
        "#,
    );
}
