//! Which revision was live at a moment of the past, or that nobody can know (hazard H24).
//!
//! Every number is given once, to the revision that goes live then. What the API remembers of that: when an object was
//! created, and so got its first number, and when it got its last one. What happened in between is lost, and shows as
//! numbers that are missing. An answer is given where every history that fits the records has the same one.

use k8s_openapi::jiff::Timestamp;

use crate::history::metadata::RevisionMetadata;
use crate::history::select::NoRevision;
use crate::objects::kind::Kind;

/// A number that was given, to an object unless nobody knows to which, within these bounds (whole seconds).
#[derive(Clone, Copy, Debug)]
struct Given<'a> {
    number: u64,
    to: Option<&'a RevisionMetadata>,
    earliest: Option<i64>,
    latest: Option<i64>,
}

/// The creation of a ControllerRevision that came back since: its first number is not recorded.
#[derive(Clone, Copy, Debug)]
struct Unnumbered<'a> {
    to: &'a RevisionMetadata,
    at: i64,
}

/// Returns the revision object that was live when the second `at` began. Creation times are cut to seconds: what was made in
/// that second was not live yet.
///
/// `since` is the workload's creation: objects older than it were taken over from another one, and with that their times
/// say nothing.
pub(crate) fn live_at(
    kind: Kind,
    records: &[RevisionMetadata],
    since: Option<Timestamp>,
    at: Timestamp,
) -> Result<&RevisionMetadata, NoRevision> {
    let hidden = NoRevision::Hidden { at };
    let created: Option<Vec<Timestamp>> = records.iter().map(|record| record.created).collect();
    let created = created.ok_or_else(|| hidden.clone())?;
    let oldest = *created.iter().min().ok_or(NoRevision::Empty)?;
    let second = at.as_second() - 1;
    if second < oldest.as_second() {
        return Err(NoRevision::BeforeOldest { at, oldest });
    }
    if since.is_some_and(|since| oldest < since) {
        return Err(hidden);
    }
    let given = sequence(kind, records).ok_or_else(|| hidden.clone())?;
    let before_first = given.first().is_none_or(|first| first.latest.is_none_or(|it| it > second));
    let mut possible = given.iter().enumerate().filter(|(index, it)| {
        let begun = it.earliest.is_none_or(|earliest| earliest <= second);
        let over = given.get(index + 1).is_some_and(|next| next.latest.is_some_and(|it| it <= second));
        begun && !over
    });
    match (before_first, possible.next(), possible.next()) {
        (false, Some((_, only)), None) => only.to.ok_or(hidden),
        (true, _, _) | (false, None, _) | (false, Some(_), Some(_)) => Err(hidden),
    }
}

/// Puts the numbers in order, with what is known of when each was given; none where the records contradict each other.
fn sequence(kind: Kind, records: &[RevisionMetadata]) -> Option<Vec<Given<'_>>> {
    let (mut given, mut unnumbered) = (Vec::new(), Vec::new());
    for record in records {
        match kind {
            Kind::Deployment => given.extend(of_replica_set(record)?),
            Kind::DaemonSet | Kind::StatefulSet => {
                let (last, first) = of_controller_revision(record)?;
                given.push(last);
                unnumbered.extend(first);
            }
        }
    }
    given.sort_by_key(|it| it.number);
    if given.windows(2).any(|pair| pair[0].number == pair[1].number) {
        return None;
    }
    fill_gaps(&mut given, &unnumbered)?;
    narrow(&mut given);
    let contradiction = |it: &Given<'_>| it.latest.is_some_and(|latest| it.earliest > Some(latest));
    (!given.iter().any(contradiction)).then_some(given)
}

/// A ReplicaSet keeps its former numbers: the smallest is that of its creation. The time of its last one is known from
/// above only, because a scale moves it.
fn of_replica_set(record: &RevisionMetadata) -> Option<Vec<Given<'_>>> {
    let created = record.created?.as_second();
    let exact =
        |number: u64| Given { number, to: Some(record), earliest: Some(created), latest: Some(created) };
    let later = |number: u64, latest| Given { number, to: Some(record), earliest: Some(created), latest };
    let number = record.number?.get();
    if record.former_cut {
        return None;
    }
    let mut former: Vec<u64> = record.former.iter().map(|number| number.get()).collect();
    former.sort_unstable();
    let Some((first, between)) = former.split_first() else { return Some(vec![exact(number)]) };
    let mut given =
        vec![exact(*first), later(number, record.touched.map(k8s_openapi::jiff::Timestamp::as_second))];
    given.extend(between.iter().map(|number| later(*number, None)));
    Some(given)
}

/// A ControllerRevision is changed by its renumbering only, and keeps no former numbers. (The managedFields of a create
/// request are made before its creationTimestamp, so a later time is that of a renumbering.)
fn of_controller_revision(record: &RevisionMetadata) -> Option<(Given<'_>, Option<Unnumbered<'_>>)> {
    let created = record.created?.as_second();
    let touched = record.touched?.as_second();
    let at = touched.max(created);
    let last = Given { number: record.number?.get(), to: Some(record), earliest: Some(at), latest: Some(at) };
    Some((last, (touched > created).then_some(Unnumbered { to: record, at: created })))
}

/// A run of numbers that nobody has any more.
struct Gap<'a> {
    first: u64,
    count: u64,
    /// Creations that fall into it.
    creations: Vec<Unnumbered<'a>>,
    /// Whether one of them may as well belong to another gap.
    doubtful: bool,
}

/// Gives the missing numbers to the creations without one where there are as many of both, and else stands for them by one
/// that could have been given to anybody at any time.
fn fill_gaps<'a>(given: &mut Vec<Given<'a>>, unnumbered: &[Unnumbered<'a>]) -> Option<()> {
    let mut windows = Vec::new();
    let (mut number, mut from) = (0, None);
    for it in given.iter() {
        let count = it.number - number - 1;
        if count > 0 {
            let gap = Gap { first: number + 1, count, creations: Vec::new(), doubtful: false };
            windows.push((from, it.latest, gap));
        }
        (number, from) = (it.number, it.earliest);
    }
    for creation in unnumbered {
        let fits = |from: &Option<i64>, to: &Option<i64>| {
            from.is_none_or(|from| from <= creation.at) && to.is_none_or(|to| creation.at <= to)
        };
        let mut fitting: Vec<&mut Gap<'a>> =
            windows.iter_mut().filter(|(from, to, _)| fits(from, to)).map(|(_, _, gap)| gap).collect();
        let doubtful = fitting.len() > 1;
        fitting.first()?;
        for gap in &mut fitting {
            gap.doubtful |= doubtful;
            gap.creations.push(*creation);
        }
    }
    given.extend(windows.into_iter().flat_map(|(_, _, gap)| gap.filled()));
    given.sort_by_key(|it| it.number);
    Some(())
}

impl<'a> Gap<'a> {
    fn filled(mut self) -> Vec<Given<'a>> {
        self.creations.sort_by_key(|creation| creation.at);
        let at_once = self.creations.windows(2).any(|pair| pair[0].at == pair[1].at);
        if self.doubtful || at_once || self.creations.len() as u64 != self.count {
            return vec![Given { number: self.first, to: None, earliest: None, latest: None }];
        }
        let numbered = (self.first..).zip(self.creations);
        numbered
            .map(|(number, Unnumbered { to, at })| Given {
                number,
                to: Some(to),
                earliest: Some(at),
                latest: Some(at),
            })
            .collect()
    }
}

/// No number was given before the one below it, nor after the one above it.
fn narrow(given: &mut [Given<'_>]) {
    let mut earliest: Option<i64> = None;
    for it in given.iter_mut() {
        it.earliest = it.earliest.max(earliest);
        earliest = it.earliest;
    }
    let mut latest: Option<i64> = None;
    for it in given.iter_mut().rev() {
        it.latest = match (it.latest, latest) {
            (Some(own), Some(next)) => Some(own.min(next)),
            (own, next) => own.or(next),
        };
        latest = it.latest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::number::RevisionNumber;
    use proptest::prelude::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn record(name: &str, number: u64, created: i64, touched: i64) -> RevisionMetadata {
        RevisionMetadata {
            name: name.into(),
            number: RevisionNumber::new(number),
            created: Some(time(created)),
            touched: Some(time(touched)),
            ..RevisionMetadata::default()
        }
    }

    fn former(mut record: RevisionMetadata, numbers: &[u64]) -> RevisionMetadata {
        record.former = numbers.iter().filter_map(|number| RevisionNumber::new(*number)).collect();
        record
    }

    /// What is said of the end of each second from 0: a name, `?` where that is hidden, `-` where nothing is recorded.
    fn said(kind: Kind, records: &[RevisionMetadata], seconds: i64) -> String {
        let one = |second| match live_at(kind, records, None, time(second + 1)) {
            Ok(record) => record.name.clone(),
            Err(NoRevision::BeforeOldest { .. }) => "-".into(),
            Err(NoRevision::Hidden { .. }) => "?".into(),
            Err(other) => panic!("{other}"),
        };
        (0..seconds).map(one).collect()
    }

    #[test]
    fn without_a_return_every_moment_is_known() {
        let records = [record("b", 2, 4, 4), record("a", 1, 2, 2), record("c", 3, 5, 5)];
        for kind in Kind::ALL {
            assert_eq!(said(kind, &records, 7), "--aabcc", "{kind}");
        }
    }

    #[test]
    fn what_was_made_in_a_second_was_not_live_when_that_began() {
        let records = [record("a", 1, 2, 2), record("b", 2, 4, 4)];
        for kind in Kind::ALL {
            let answer = |second| live_at(kind, &records, None, time(second)).map(|it| &*it.name);
            assert_eq!((answer(4), answer(5)), (Ok("a"), Ok("b")), "{kind}");
            assert_eq!(answer(2), Err(NoRevision::BeforeOldest { at: time(2), oldest: time(2) }), "{kind}");
        }
    }

    #[test]
    fn a_scale_of_a_replica_set_that_never_came_back_changes_nothing() {
        let records = [record("a", 1, 1, 9), record("b", 2, 3, 9)];
        assert_eq!(said(Kind::Deployment, &records, 5), "-aabb");
    }

    #[test]
    fn a_replica_set_came_back_between_the_number_before_and_its_last_change() {
        let records = [former(record("a", 3, 1, 7), &[1]), record("b", 2, 3, 3)];
        assert_eq!(said(Kind::Deployment, &records, 9), "-aa????aa");
        // The next one bounds it from above.
        let records = [former(record("a", 3, 1, 7), &[1]), record("b", 2, 3, 3), record("c", 4, 5, 5)];
        assert_eq!(said(Kind::Deployment, &records, 9), "-aa??cccc");
    }

    #[test]
    fn a_replica_set_that_came_back_twice_hides_the_times_between() {
        let records = [former(record("a", 5, 1, 8), &[1, 3]), former(record("b", 4, 2, 6), &[2])];
        assert_eq!(said(Kind::Deployment, &records, 10), "-a??????aa");
    }

    #[test]
    fn what_is_pruned_hides_its_time_only() {
        let records = [record("a", 1, 1, 1), record("c", 3, 5, 5), record("d", 4, 7, 7)];
        for kind in Kind::ALL {
            assert_eq!(said(kind, &records, 9), "-????ccdd", "{kind}");
        }
        assert_eq!(said(Kind::DaemonSet, &records[1..], 8), "-----ccd");
    }

    #[test]
    fn a_controller_revision_that_came_back_has_its_first_number_where_one_is_missing() {
        let records = [record("a", 3, 1, 5), record("b", 2, 3, 3)];
        assert_eq!(said(Kind::StatefulSet, &records, 7), "-aabbaa");
        // Two came back, two numbers are missing.
        let records = [record("a", 4, 1, 6), record("b", 5, 2, 7), record("c", 3, 4, 4)];
        assert_eq!(said(Kind::StatefulSet, &records, 9), "-abbccabb");
    }

    #[test]
    fn a_controller_revision_that_came_back_twice_hides_the_times_between() {
        // a 1, b 2, a 3, c 4, a 5: of the 3 nothing is left.
        let records = [record("a", 5, 1, 8), record("b", 2, 3, 3), record("c", 4, 6, 6)];
        assert_eq!(said(Kind::DaemonSet, &records, 10), "-aa???ccaa");
    }

    #[test]
    fn a_pruned_number_beside_a_return_is_never_guessed() {
        // x 1 (pruned), a 2, b 3, a 4: the creation of a could be 1 or 2.
        let records = [record("a", 4, 2, 6), record("b", 3, 4, 4)];
        assert_eq!(said(Kind::DaemonSet, &records, 8), "--??bbaa");
    }

    #[test]
    fn records_that_contradict_each_other_say_nothing() {
        for records in [
            [record("a", 1, 1, 1), record("b", 1, 3, 3)],
            [record("a", 2, 1, 1), record("b", 1, 3, 3)],
            [record("a", 1, 1, 5), record("b", 2, 3, 3)],
        ] {
            assert_eq!(said(Kind::DaemonSet, &records, 7), "-??????");
        }
        let unnumbered = [RevisionMetadata { number: None, ..record("a", 1, 1, 1) }];
        assert_eq!(said(Kind::Deployment, &unnumbered, 3), "-??");
        let cut = [RevisionMetadata { former_cut: true, ..former(record("a", 3, 1, 2), &[2]) }];
        assert_eq!(said(Kind::Deployment, &cut, 3), "-??");
    }

    #[test]
    fn objects_older_than_their_workload_were_taken_over_and_say_nothing() {
        let records = [record("a", 1, 1, 1), record("b", 2, 3, 3)];
        let answer =
            |since| live_at(Kind::DaemonSet, &records, Some(time(since)), time(5)).map(|it| &*it.name);
        assert_eq!(answer(1), Ok("b"));
        assert_eq!(answer(2), Err(NoRevision::Hidden { at: time(5) }));
    }

    #[test]
    fn a_moment_before_all_records_names_the_oldest() {
        let records = [record("b", 2, 4, 4), record("a", 1, 2, 2)];
        let error = live_at(Kind::DaemonSet, &records, None, time(1)).unwrap_err();
        assert_eq!(error, NoRevision::BeforeOldest { at: time(1), oldest: time(2) });
        assert_eq!(live_at(Kind::DaemonSet, &[], None, time(1)).unwrap_err(), NoRevision::Empty);
    }

    /// What somebody or a controller does to a workload.
    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Roll(u8),
        Scale(u8),
        Prune(usize),
    }

    /// A workload whose past is known here, beside what its objects remember.
    #[derive(Default)]
    struct Past {
        objects: Vec<RevisionMetadata>,
        /// Which template went live when.
        truth: Vec<(i64, String)>,
        returned: bool,
        pruned: bool,
    }

    impl Past {
        fn act(&mut self, kind: Kind, now: i64, deed: Deed) {
            match deed {
                Deed::Roll(template) => self.roll(now, &template.to_string()),
                Deed::Scale(template) if kind == Kind::Deployment => {
                    let scaled = self.objects.iter_mut().filter(|it| it.name == template.to_string());
                    scaled.for_each(|it| it.touched = Some(time(now)));
                }
                Deed::Scale(_) => {}
                Deed::Prune(limit) => {
                    self.objects.sort_by_key(|it| it.number);
                    while self.objects.len() > limit + 1 {
                        self.objects.remove(0);
                        self.pruned = true;
                    }
                }
            }
        }

        fn roll(&mut self, now: i64, template: &str) {
            if self.truth.last().is_some_and(|(_, live)| live == template) {
                return;
            }
            let next = self.objects.iter().filter_map(|it| it.number).max().map_or(1, |it| it.get() + 1);
            match self.objects.iter_mut().find(|it| it.name == template) {
                Some(object) => {
                    object.former.extend(object.number);
                    object.number = RevisionNumber::new(next);
                    object.touched = Some(time(now));
                    self.returned = true;
                }
                None => self.objects.push(record(template, next, now, now)),
            }
            self.truth.push((now, template.to_string()));
        }

        fn live(&self, second: i64) -> Option<&str> {
            let before = self.truth.iter().rev().find(|(since, _)| *since < second);
            before.map(|(_, template)| &**template)
        }
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            6 => (0..4u8).prop_map(Deed::Roll),
            2 => (0..4u8).prop_map(Deed::Scale),
            1 => (0..4usize).prop_map(Deed::Prune),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn an_answer_is_right_or_refused(
            deeds in proptest::collection::vec((0..3i64, deed()), 1..14),
            of_deployment in any::<bool>(),
        ) {
            let kind = if of_deployment { Kind::Deployment } else { Kind::StatefulSet };
            let (mut past, mut now) = (Past::default(), 0);
            past.roll(now, "0");
            for (wait, deed) in deeds {
                now += wait;
                past.act(kind, now, deed);
            }
            let oldest = past.objects.iter().filter_map(|it| it.created).min();
            for second in -1..=now + 2 {
                match live_at(kind, &past.objects, None, time(second)) {
                    Ok(record) => prop_assert_eq!(Some(&*record.name), past.live(second)),
                    Err(NoRevision::BeforeOldest { .. }) => prop_assert!(Some(time(second)) <= oldest),
                    Err(error) => {
                        prop_assert_eq!(error, NoRevision::Hidden { at: time(second) });
                        prop_assert!(past.returned || past.pruned, "refused without a reason");
                    }
                }
            }
            let current = live_at(kind, &past.objects, None, time(now + 1)).map(|it| &*it.name);
            prop_assert_eq!(current.ok(), past.live(now + 1));
        }
    }
}
