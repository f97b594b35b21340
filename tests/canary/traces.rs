//! What was gathered in a run, and its verdict.

use crate::search::{Canary, Finding, Place, search};

/// Canaries and the places where each must not be.
#[derive(Default)]
pub(crate) struct Traces {
    canaries: Vec<(Canary, Vec<&'static str>)>,
    places: Vec<Place>,
}

impl Traces {
    /// Must be nowhere.
    pub(crate) fn forbid(&mut self, canary: Canary) {
        self.forbid_but(canary, &[]);
    }

    /// Must be nowhere but in places whose names end like this.
    pub(crate) fn forbid_but(&mut self, canary: Canary, at_home: &[&'static str]) {
        self.canaries.push((canary, at_home.to_vec()));
    }

    /// To be searched.
    pub(crate) fn gather(&mut self, places: impl IntoIterator<Item = Place>) {
        self.places.extend(places);
    }

    /// How much was gathered from places with such a name, in bytes.
    pub(crate) fn bytes_of(&self, name: &str) -> usize {
        self.places.iter().filter(|place| place.name.contains(name)).map(|place| place.text.len()).sum()
    }

    /// Whether something else than a canary is found, which shows that the right things were gathered.
    pub(crate) fn mention(&self, place: &str, text: &str) -> bool {
        self.places.iter().any(|p| p.name.contains(place) && p.text.contains(text))
    }

    /// Everything found where it must not be.
    pub(crate) fn verdict(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (canary, at_home) in &self.canaries {
            let found = search(std::slice::from_ref(canary), &self.places);
            findings.extend(found.into_iter().filter(|f| !at_home.iter().any(|home| f.place.ends_with(home))));
        }
        findings
    }
}
