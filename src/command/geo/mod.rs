//! Commands on points of the earth, which are members of sorted sets: the family's rows, and what concerns single points
//! here; searches in `search.rs`.

mod search;

pub(crate) use search::place_of;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use super::zset::required_score;
use crate::double::format_long;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::geo::{Point, Unit};
use crate::value::zset::Rule;
use smallvec::SmallVec;

const SEARCH: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the \
                      shape provided as the filter and M is the number of items inside the shape";
const RADIUS: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area \
                      delimited by center and radius and M is the number of items inside the index.";

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("GEOADD", -5, &[Write, DenyOom], Keys::FIRST, Run::Key(geoadd)).of(Group::Geo, "3.2.0").doc(
        "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    ),
    row("GEODIST", -4, &[Read], Keys::FIRST, Run::Key(geodist)).of(Group::Geo, "3.2.0").doc(
        "key member1 member2 [M | KM | FT | MI]",
        "Returns the distance between two members of a geospatial index.",
        "O(1)",
    ),
    row("GEOHASH", -2, &[Read], Keys::FIRST, Run::Key(geohash)).of(Group::Geo, "3.2.0").doc(
        "key [member [member ...]]",
        "Returns members from a geospatial index as geohash strings.",
        "O(1) for each member requested.",
    ),
    row("GEOPOS", -2, &[Read], Keys::FIRST, Run::Key(geopos)).of(Group::Geo, "3.2.0").doc(
        "key [member [member ...]]",
        "Returns the longitude and latitude of members from a geospatial index.",
        "O(1) for each member requested.",
    ),
    row("GEORADIUS", -6, &[Write, DenyOom, MovableKeys], Keys::FirstAndStored(6), Run::Keys(search::georadius))
        .of(Group::Geo, "3.2.0")
        .doc(
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
             [ASC | DESC] [STORE key | STOREDIST key]",
            "Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.",
            RADIUS,
        ),
    row("GEORADIUSBYMEMBER", -5, &[Write, DenyOom, MovableKeys], Keys::FirstAndStored(5), Run::Keys(search::georadiusbymember))
        .of(Group::Geo, "3.2.0")
        .doc(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] \
             [STORE key | STOREDIST key]",
            "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
            RADIUS,
        ),
    row("GEORADIUSBYMEMBER_RO", -5, &[Read], Keys::FIRST, Run::Key(search::georadiusbymember_ro))
        .of(Group::Geo, "3.2.10")
        .doc(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
            "Returns members from a geospatial index that are within a distance from a member.",
            RADIUS,
        ),
    row("GEORADIUS_RO", -6, &[Read], Keys::FIRST, Run::Key(search::georadius_ro)).of(Group::Geo, "3.2.10").doc(
        "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
         [ASC | DESC]",
        "Returns members from a geospatial index that are within a distance from a coordinate.",
        RADIUS,
    ),
    row("GEOSEARCH", -7, &[Read], Keys::FIRST, Run::Key(search::geosearch)).of(Group::Geo, "6.2.0").doc(
        "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width \
         height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        "Queries a geospatial index for members inside an area of a box or a circle.",
        SEARCH,
    ),
    row("GEOSEARCHSTORE", -8, &[Write, DenyOom], Keys::PAIR, Run::Keys(search::geosearchstore))
        .of(Group::Geo, "6.2.0")
        .doc(
            "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | \
             BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
            "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.",
            SEARCH,
        ),
];

/// A point of the map.
///
/// # Errors
/// What is no number, or beyond the map's edges.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, CommandError> {
    let point = Point { longitude: required_score(longitude)?, latitude: required_score(latitude)? };
    checked(point)
}

/// # Errors
/// A point beyond the map's edges.
pub(crate) fn checked(point: Point) -> Result<Point, CommandError> {
    if point.is_on_map() {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    Err(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}").into())
}

/// # Errors
/// What is no unit.
fn unit(name: &[u8]) -> Result<Unit, CommandError> {
    Unit::parse(name).ok_or(CommandError::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// Adds points to a sorted set, and replies as `ZADD` does. Errors: options that exclude each other, numbers that are
/// none, points beyond the map's edges, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/geoadd/>
fn geoadd(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (mut rule, mut changed) = (Rule::default(), false);
    loop {
        if args.eat("NX") {
            rule.nx = true;
        } else if args.eat("XX") {
            rule.xx = true;
        } else if args.eat("CH") {
            changed = true;
        } else {
            break;
        }
    }
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(3) || (rule.nx && rule.xx) {
        return Err(CommandError::Syntax);
    }
    let mut pairs: SmallVec<[(f64, &[u8]); 8]> = SmallVec::new();
    for item in rest.chunks_exact(3) {
        if let &[longitude, latitude, member] = item {
            pairs.push((point(longitude, latitude)?.score(), member));
        }
    }
    let added = keys.zset_add(key, &pairs, rule)?;
    out.int(if changed { added.added + added.updated } else { added.added } as i64);
    Ok(())
}

/// Replies with the distance of two members, or null where one is missing. Errors: what is no unit, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/geodist/>
fn geodist(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (from, to) = (args.required()?, args.required()?);
    let unit = match *args.rest() {
        [] => Unit::M,
        [name] => unit(name)?,
        _ => return Err(CommandError::Syntax),
    };
    match distance(keys, key, from, to)? {
        Some(metres) => write_distance(metres / unit.metres(), out),
        None => out.null(),
    }
    Ok(())
}

/// The distance of two members, in metres.
pub(crate) fn distance(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    from: &[u8],
    to: &[u8],
) -> Result<Option<f64>, CommandError> {
    let Some(zset) = keys.zset(key)? else { return Ok(None) };
    let point = |member| zset.score(member).map(Point::of_score);
    Ok(point(from).zip(point(to)).map(|(from, to)| from.distance(to)))
}

/// Replies with the geohash of each member, or null. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/geohash/>
fn geohash(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    each_point(keys, key, args, out, |point, out| match point {
        Some(point) => out.bulk(&point.geohash()),
        None => out.null(),
    })
}

/// Replies with the longitude and latitude of each member, or null. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/geopos/>
fn geopos(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    each_point(keys, key, args, out, |point, out| match point {
        Some(point) => write_point(point, out),
        None => out.null_array(),
    })
}

fn each_point(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    f: impl Fn(Option<Point>, &mut dyn Sink),
) -> Result<(), CommandError> {
    let members = args.rest();
    let zset = keys.zset(key)?;
    out.array(members.len());
    for member in members {
        f(zset.and_then(|zset| zset.score(member)).map(Point::of_score), out);
    }
    Ok(())
}

/// Writes a distance, which has four decimals.
fn write_distance(distance: f64, out: &mut dyn Sink) {
    let text = match distance.is_nan() {
        true if distance.is_sign_negative() => "-nan".to_owned(),
        true => "nan".to_owned(),
        false => format!("{distance:.4}"),
    };
    out.bulk(text.as_bytes());
}

fn write_point(point: Point, out: &mut dyn Sink) {
    out.array(2);
    for degrees in [point.longitude, point.latitude] {
        out.long_double(degrees, &format_long(degrees));
    }
}
