//! Searches: what is in a circle or a box around a point.
//!
//! Redis looks the key up before it reads the options, and the member that is the centre as soon as it is named; so the
//! order of its errors is the order here. Without the key there is no such member, and only the arguments are checked.

use super::{point, unit, write_distance, write_point};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::zset::score;
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::geo::{self, Match, Order, Point, Shape, Unit, Wanted};
use crate::value::zset::{Combined, ZSetRef};

/// The form that a command's arguments have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Centre and radius first, then options.
    Radius,
    /// The same, with a member as the centre.
    RadiusByMember,
    /// All in options.
    Search,
}

/// What the arguments ask for.
#[derive(Debug)]
struct Wish<'a> {
    centre: Point,
    shape: Shape,
    /// The unit of distances in the reply.
    unit: Unit,
    wanted: Wanted,
    with_point: bool,
    with_distance: bool,
    with_score: bool,
    /// Where the result goes.
    store: Option<&'a [u8]>,
    /// Whether distances are stored instead of the points.
    store_distance: bool,
}

fn length(text: &[u8], what: &'static str) -> Result<f64, CommandError> {
    score(text).ok_or(CommandError::text(what))
}

fn radius(text: &[u8], name: &[u8]) -> Result<(Shape, Unit), CommandError> {
    let radius = length(text, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::text("ERR radius cannot be negative"));
    }
    let unit = unit(name)?;
    Ok((Shape::Circle { radius: radius * unit.metres() }, unit))
}

fn sides(width: &[u8], height: &[u8], name: &[u8]) -> Result<(Shape, Unit), CommandError> {
    let width = length(width, "ERR need numeric width")?;
    let height = length(height, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::text("ERR height or width cannot be negative"));
    }
    let unit = unit(name)?;
    let metres = unit.metres();
    Ok((Shape::Box { width: width * metres, height: height * metres }, unit))
}

/// Where the member that is the centre is; nowhere in particular without the key.
pub(crate) fn place_of(zset: Option<ZSetRef<'_>>, member: &[u8]) -> Result<Point, CommandError> {
    let Some(zset) = zset else { return Ok(Point { longitude: 0.0, latitude: 0.0 }) };
    let score = zset.score(member);
    let score = score.ok_or(CommandError::text("ERR could not decode requested zset member"))?;
    Ok(Point::of_score(score))
}

impl<'a> Wish<'a> {
    /// Reads what stands behind the key. `store` is the key that the command's name has the result go to.
    fn parse(
        args: &mut Args<'a>,
        form: Form,
        may_store: bool,
        store: Option<&'a [u8]>,
        zset: Option<ZSetRef<'_>>,
    ) -> Result<Self, CommandError> {
        let name = args.argv().first().copied().unwrap_or_default();
        let (mut centre, mut shape) = (None, None);
        match form {
            Form::Radius => {
                centre = Some(point(args.required()?, args.required()?)?);
                shape = Some(radius(args.required()?, args.required()?)?);
            }
            Form::RadiusByMember => {
                let member = args.required()?;
                if zset.is_some() {
                    centre = Some(place_of(zset, member)?);
                    shape = Some(radius(args.required()?, args.required()?)?);
                } else {
                    // Then Redis does not even look at the radius.
                    args.take(2)?;
                    centre = Some(place_of(None, member)?);
                    shape = Some((Shape::Circle { radius: 0.0 }, Unit::M));
                }
            }
            Form::Search => {}
        }
        let searches = form == Form::Search;
        let (mut with_point, mut with_distance, mut with_score) = (false, false, false);
        let (mut store, mut store_distance, by_name) = (store, false, store.is_some());
        let mut wanted = Wanted::default();
        while args.left() > 0 {
            let behind = args.left() - 1;
            if args.eat("WITHDIST") {
                with_distance = true;
            } else if args.eat("WITHHASH") {
                with_score = true;
            } else if args.eat("WITHCOORD") {
                with_point = true;
            } else if args.eat("ANY") {
                wanted.any = true;
            } else if args.eat("ASC") {
                wanted.order = Order::Nearest;
            } else if args.eat("DESC") {
                wanted.order = Order::Farthest;
            } else if behind >= 1 && args.eat("COUNT") {
                let count = parse_int(args.required()?).ok_or(CommandError::NotAnInteger)?;
                let count = u64::try_from(count).ok().filter(|&count| count > 0);
                wanted.count = Some(count.ok_or(CommandError::text("ERR COUNT must be > 0"))?);
            } else if behind >= 1 && may_store && !searches && args.eat("STORE") {
                store = Some(args.required()?);
                store_distance = false;
            } else if behind >= 1 && may_store && !searches && args.eat("STOREDIST") {
                store = Some(args.required()?);
                store_distance = true;
            } else if behind >= 1 && searches && centre.is_none() && args.eat("FROMMEMBER") {
                centre = Some(place_of(zset, args.required()?)?);
            } else if behind >= 2 && searches && centre.is_none() && args.eat("FROMLONLAT") {
                centre = Some(point(args.required()?, args.required()?)?);
            } else if behind >= 2 && searches && !is_box(shape) && args.eat("BYRADIUS") {
                shape = Some(radius(args.required()?, args.required()?)?);
            } else if behind >= 3 && searches && !is_circle(shape) && args.eat("BYBOX") {
                shape = Some(sides(args.required()?, args.required()?, args.required()?)?);
            } else if by_name && args.eat("STOREDIST") {
                store_distance = true;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if store.is_some() && (with_distance || with_score || with_point) {
            return Err(CommandError::text(if by_name {
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            } else {
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            }));
        }
        let one_of = |words: &str| -> CommandError {
            format!("ERR exactly one of {words} can be specified for {}", String::from_utf8_lossy(name))
                .into()
        };
        let centre = centre.ok_or_else(|| one_of("FROMMEMBER or FROMLONLAT"))?;
        let (shape, unit) = shape.ok_or_else(|| one_of("BYRADIUS and BYBOX"))?;
        if wanted.any && wanted.count.is_none() {
            return Err(CommandError::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(Self { centre, shape, unit, wanted, with_point, with_distance, with_score, store, store_distance })
    }

    fn find<'z>(&self, zset: Option<ZSetRef<'z>>) -> Vec<Match<'z>> {
        zset.map_or_else(Vec::new, |zset| geo::search(zset, self.centre, self.shape, self.wanted))
    }

    fn write(&self, found: &[Match<'_>], out: &mut dyn Sink) {
        let more = [self.with_distance, self.with_score, self.with_point];
        let more = more.into_iter().filter(|&with| with).count();
        out.array(found.len());
        for found in found {
            if more > 0 {
                out.array(1 + more);
            }
            found.member.with_bytes(|member| out.bulk(member));
            if self.with_distance {
                write_distance(found.distance / self.unit.metres(), out);
            }
            if self.with_score {
                out.int(found.score as i64);
            }
            if self.with_point {
                write_point(found.point, out);
            }
        }
    }
}

fn is_box(shape: Option<(Shape, Unit)>) -> bool {
    matches!(shape, Some((Shape::Box { .. }, _)))
}

fn is_circle(shape: Option<(Shape, Unit)>) -> bool {
    matches!(shape, Some((Shape::Circle { .. }, _)))
}

/// Searches and replies.
fn read(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    form: Form,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let zset = keys.zset(key)?;
    let wish = Wish::parse(args, form, false, None, zset)?;
    wish.write(&wish.find(zset), out);
    Ok(())
}

/// Searches, and replies or stores what was found.
fn run(
    entered: &mut Entered<'_>,
    form: Form,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let stored_by_name = if form == Form::Search { Some(args.required()?) } else { None };
    let source = args.required()?;
    let (destination, result) = {
        let (mut keys, key) = entered.at(source);
        let zset = keys.zset(key)?;
        let wish = Wish::parse(args, form, true, stored_by_name, zset)?;
        let found = wish.find(zset);
        let Some(destination) = wish.store else {
            wish.write(&found, out);
            return Ok(());
        };
        let mut result = Combined::new();
        for found in &found {
            let score = if wish.store_distance { found.distance / wish.unit.metres() } else { found.score };
            found.member.with_bytes(|member| result.push(member, score));
        }
        (destination, result)
    };
    out.int(result.len() as i64);
    let (mut keys, key) = entered.at(destination);
    let event = if form == Form::Search { "geosearchstore" } else { "georadiusstore" };
    keys.put_found(key, &result.into_sorted(), event);
    Ok(())
}

/// Replies with the members in a circle or a box, which are none without the key. Errors:
/// `WRONGTYPE`, a member that is not there, numbers and units that are none, options that exclude each other, syntax.
///
/// Reference: <https://valkey.io/commands/geosearch/>
pub(super) fn geosearch(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    read(keys, key, Form::Search, args, out)
}

/// As [`geosearch`], and stores what it finds; without anything the destination is removed.
///
/// Reference: <https://valkey.io/commands/geosearchstore/>
pub(super) fn geosearchstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    run(entered, Form::Search, args, out)
}

/// As [`geosearch`] in a circle around a point, and stores what it finds if told to.
///
/// Reference: <https://valkey.io/commands/georadius/>
pub(super) fn georadius(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    run(entered, Form::Radius, args, out)
}

/// As [`georadius`] around a member.
///
/// Reference: <https://valkey.io/commands/georadiusbymember/>
pub(super) fn georadiusbymember(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    run(entered, Form::RadiusByMember, args, out)
}

/// As [`georadius`] without storing.
///
/// Reference: <https://valkey.io/commands/georadius_ro/>
pub(super) fn georadius_ro(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    read(keys, key, Form::Radius, args, out)
}

/// As [`georadiusbymember`] without storing.
///
/// Reference: <https://valkey.io/commands/georadiusbymember_ro/>
pub(super) fn georadiusbymember_ro(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    read(keys, key, Form::RadiusByMember, args, out)
}
