//! Points of the earth, as members of sorted sets.

use super::{Argv, Bytes, Damselfly, Result, collect, reply};
use crate::command::error::CommandError;
use crate::command::geo;
use crate::value::geo::{Order, Point, Shape, Unit, Wanted};
use crate::value::zset::Rule;
use smallvec::SmallVec;

/// A member that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoMatch {
    /// The member.
    pub member: Bytes,
    /// Where it is.
    pub point: Point,
    /// How far it is from the centre, in the unit of the search.
    pub distance: f64,
    /// Its score: 52 bits of a geohash.
    pub score: u64,
}

/// An area to search in, and how much of what is found there is wanted.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct GeoSearch {
    centre: Centre,
    shape: Shape,
    unit: Unit,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
enum Centre {
    Point(Point),
    Member(Vec<u8>),
}

impl GeoSearch {
    /// A circle around a point, its radius in metres.
    pub fn around(point: Point, radius: f64) -> Self {
        Self {
            centre: Centre::Point(point),
            shape: Shape::Circle { radius },
            unit: Unit::M,
            wanted: Wanted::default(),
        }
    }

    /// A circle around a member, its radius in metres.
    pub fn around_member(member: impl AsRef<[u8]>, radius: f64) -> Self {
        let nowhere = Point { longitude: 0.0, latitude: 0.0 };
        Self { centre: Centre::Member(member.as_ref().to_vec()), ..Self::around(nowhere, radius) }
    }

    /// A box in place of the circle, its sides in metres.
    pub fn within_box(mut self, width: f64, height: f64) -> Self {
        self.shape = Shape::Box { width, height };
        self
    }

    /// The unit of the lengths given, and of the distances found.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// The order of what is found.
    pub fn order(mut self, order: Order) -> Self {
        self.wanted.order = order;
        self
    }

    /// Only so many, the nearest ones unless an order is given.
    pub fn count(mut self, count: u64) -> Self {
        self.wanted.count = Some(count);
        self.wanted.any = false;
        self
    }

    /// Only so many, whichever are found first.
    pub fn any(mut self, count: u64) -> Self {
        self.wanted.count = Some(count);
        self.wanted.any = true;
        self
    }

    /// The words that `GEOSEARCHSTORE` takes.
    fn words(&self) -> Vec<Vec<u8>> {
        let number = |number: f64| number.to_string().into_bytes();
        let mut words = match &self.centre {
            Centre::Point(point) => {
                vec![b"FROMLONLAT".to_vec(), number(point.longitude), number(point.latitude)]
            }
            Centre::Member(member) => vec![b"FROMMEMBER".to_vec(), member.clone()],
        };
        match self.shape {
            Shape::Circle { radius } => words.extend([b"BYRADIUS".to_vec(), number(radius)]),
            Shape::Box { width, height } => {
                words.extend([b"BYBOX".to_vec(), number(width), number(height)]);
            }
        }
        words.push(self.unit.name().into());
        match self.wanted.order {
            Order::AsFound => {}
            Order::Nearest => words.push(b"ASC".to_vec()),
            Order::Farthest => words.push(b"DESC".to_vec()),
        }
        if let Some(count) = self.wanted.count {
            words.extend([b"COUNT".to_vec(), count.min(i64::MAX as u64).to_string().into_bytes()]);
        }
        if self.wanted.any {
            words.push(b"ANY".to_vec());
        }
        words
    }
}

impl Damselfly {
    /// Adds members at points, or moves them there; how many are new. O(log n) each.
    ///
    /// ```
    /// use damselfly::Damselfly;
    /// use damselfly::embed::{GeoOrder, GeoPoint, GeoSearch, GeoUnit};
    ///
    /// let db = Damselfly::in_memory();
    /// let palermo = GeoPoint { longitude: 13.361389, latitude: 38.115556 };
    /// let catania = GeoPoint { longitude: 15.087269, latitude: 37.502669 };
    /// assert_eq!(db.geoadd("sicily", [(palermo, "Palermo"), (catania, "Catania")])?, 2);
    /// assert_eq!(db.geodist("sicily", "Palermo", "Catania", GeoUnit::Km)?.map(f64::round), Some(166.0));
    ///
    /// let area = GeoSearch::around_member("Palermo", 200.0).unit(GeoUnit::Km).order(GeoOrder::Farthest);
    /// let found = db.geosearch("sicily", &area)?;
    /// assert_eq!(found.iter().map(|found| &found.member[..]).collect::<Vec<_>>(), [b"Catania", b"Palermo"]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error for a point beyond the map's edges.
    ///
    /// Reference: <https://valkey.io/commands/geoadd/>
    pub fn geoadd<M: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        members: impl IntoIterator<Item = (Point, M)>,
    ) -> Result<u64> {
        let members: SmallVec<[(Point, M); 4]> = members.into_iter().collect();
        let mut pairs: SmallVec<[(f64, &[u8]); 8]> = SmallVec::new();
        let mut longest = 0;
        for (point, member) in &members {
            let member = member.as_ref();
            longest = longest.max(member.len());
            pairs.push((geo::checked(*point)?.score(), member));
        }
        self.write(key.as_ref(), longest, |keys, key| Ok(keys.zset_add(key, &pairs, Rule::default())?.added))
    }

    /// The distance of two members; `None` where one is missing. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/geodist/>
    pub fn geodist(
        &self,
        key: impl AsRef<[u8]>,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        unit: Unit,
    ) -> Result<Option<f64>> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let metres = self.read(key.as_ref(), |keys, key| geo::distance(keys, key, from, to))?;
        Ok(metres.map(|metres| metres / unit.metres()))
    }

    /// The geohash of each member, eleven letters; `None` for one that is missing. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/geohash/>
    pub fn geohash<M: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        members: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Option<String>>> {
        let points = self.geopos(key, members)?;
        let text = |point: Point| String::from_utf8_lossy(&point.geohash()).into_owned();
        Ok(points.into_iter().map(|point| point.map(text)).collect())
    }

    /// Where each member is; `None` for one that is missing. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/geopos/>
    pub fn geopos<M: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        members: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Option<Point>>> {
        let members = collect(members);
        self.read(key.as_ref(), |keys, key| {
            let zset = keys.zset(key)?;
            let score = |member: &M| zset.and_then(|zset| zset.score(member.as_ref()));
            Ok(members.iter().map(|member| score(member).map(Point::of_score)).collect())
        })
    }

    /// The members in an area; none without the key. O(members around the area).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error for a centre that is no member or beyond the map's edges, and for
    /// lengths below zero.
    ///
    /// Reference: <https://valkey.io/commands/geosearch/>
    pub fn geosearch(&self, key: impl AsRef<[u8]>, area: &GeoSearch) -> Result<Vec<GeoMatch>> {
        let metres = area.unit.metres();
        let (shape, least) = match area.shape {
            Shape::Circle { radius } => (Shape::Circle { radius: radius * metres }, radius),
            Shape::Box { width, height } => {
                (Shape::Box { width: width * metres, height: height * metres }, width.min(height))
            }
        };
        if least.is_nan() || least < 0.0 {
            return Err(CommandError::MustBePositive.into());
        }
        self.read(key.as_ref(), |keys, key| {
            let zset = keys.zset(key)?;
            let centre = match &area.centre {
                Centre::Point(point) => geo::checked(*point)?,
                Centre::Member(member) => geo::place_of(zset, member)?,
            };
            let Some(zset) = zset else { return Ok(Vec::new()) };
            let found = crate::value::geo::search(zset, centre, shape, area.wanted);
            Ok(found
                .into_iter()
                .map(|found| GeoMatch {
                    member: found.member.with_bytes(Bytes::copy_from_slice),
                    point: found.point,
                    distance: found.distance / metres,
                    score: found.score as u64,
                })
                .collect())
        })
    }

    /// Stores the members in an area as a sorted set under another key, with their points or, if `distances` says so,
    /// with their distances as scores; how many they are. Without any, the destination is removed. O(members around the
    /// area).
    ///
    /// # Errors
    /// As [`Damselfly::geosearch`].
    ///
    /// Reference: <https://valkey.io/commands/geosearchstore/>
    pub fn geosearchstore(
        &self,
        destination: impl AsRef<[u8]>,
        source: impl AsRef<[u8]>,
        area: &GeoSearch,
        distances: bool,
    ) -> Result<u64> {
        let words = area.words();
        let mut argv: Argv<'_> =
            Argv::from_slice(&[b"GEOSEARCHSTORE", destination.as_ref(), source.as_ref()]);
        argv.extend(words.iter().map(Vec::as_slice));
        if distances {
            argv.push(b"STOREDIST");
        }
        reply::count(self.run(&argv)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_found() {
        let db = Damselfly::in_memory();
        let point = |longitude, latitude| Point { longitude, latitude };
        let members = [(point(0.0, 0.0), "a"), (point(0.5, 0.5), "b"), (point(90.0, -80.0), "c")];
        assert_eq!(db.geoadd("g", members).unwrap(), 3);
        assert!(db.geoadd("g", [(point(181.0, 0.0), "d")]).is_err());
        for area in [
            GeoSearch::around(point(0.1, 0.1), 1000.0).unit(Unit::Km),
            GeoSearch::around_member("a", 0.0).within_box(3e5, 3e5).order(Order::Farthest),
            GeoSearch::around_member("c", 1e9).count(2),
            GeoSearch::around_member("c", 1e9).unit(Unit::Mi).any(1),
            GeoSearch::around(point(-90.0, 0.0), 1.0).unit(Unit::Ft).order(Order::Nearest),
        ] {
            let mut found: Vec<_> =
                db.geosearch("g", &area).unwrap().into_iter().map(|f| (f.distance, f.member)).collect();
            found.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(db.geosearchstore("d", "g", &area, true).unwrap(), found.len() as u64, "{area:?}");
            let stored = db.zset("d").range_with_scores(super::super::Stretch::all()).unwrap();
            let stored: Vec<_> = stored.into_iter().map(|(member, score)| (score, member)).collect();
            assert_eq!(stored, found, "{area:?}");
        }
        assert_eq!(db.geohash("g", ["a", "none"]).unwrap(), [Some("s0000000000".to_owned()), None]);
        assert!(db.geosearch("g", &GeoSearch::around_member("none", 1.0)).is_err());
        assert!(db.geosearch("g", &GeoSearch::around_member("a", -1.0)).is_err());
        assert_eq!(db.geosearch("none", &GeoSearch::around_member("a", 1.0)).unwrap(), []);
    }
}
