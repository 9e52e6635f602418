//! A set that knows how many stand in front of each: a weight-balanced tree.
//!
//! `BTreeSet` counts its elements one by one, and the counted sets on crates.io either do so in
//! part (a scan inside each node) or trust pointers; here a hostile client chooses what is put in,
//! and when. Insertion, removal and rank take O(log n), whatever the order of insertions.

use std::cmp::Ordering;

/// How much heavier one side may be than the other, and when a rotation has to be a double one:
/// the only pair of integers for which insertion and removal keep the balance (Hirai and Yamamoto,
/// "Balancing weight-balanced trees", 2011).
const DELTA: usize = 3;
const RATIO: usize = 2;

/// The set.
#[derive(Debug)]
pub(super) struct Ranks<K> {
    root: Link<K>,
}

type Link<K> = Option<Box<Node<K>>>;

#[derive(Debug)]
struct Node<K> {
    key: K,
    /// Keys in this subtree, this one included.
    size: usize,
    left: Link<K>,
    right: Link<K>,
}

impl<K> Default for Ranks<K> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K: Ord + Copy> Ranks<K> {
    pub(super) fn len(&self) -> usize {
        size(self.root.as_deref())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds a key; one that is there stays.
    pub(super) fn insert(&mut self, key: K) {
        self.root = Some(insert(self.root.take(), key));
    }

    /// Takes a key out, if it is there.
    pub(super) fn remove(&mut self, key: K) {
        self.root = remove(self.root.take(), key);
    }

    /// The smallest key.
    pub(super) fn first(&self) -> Option<K> {
        self.from(0).next()
    }

    /// How many keys are smaller.
    pub(super) fn rank(&self, key: K) -> usize {
        let (mut link, mut before) = (self.root.as_ref(), 0);
        while let Some(node) = link {
            if key <= node.key {
                link = node.left.as_ref();
            } else {
                before += size(node.left.as_deref()) + 1;
                link = node.right.as_ref();
            }
        }
        before
    }

    /// All keys but the `skipped` smallest, in order.
    pub(super) fn from(&self, mut skipped: usize) -> From<'_, K> {
        let (mut link, mut path) = (self.root.as_ref(), Vec::new());
        while let Some(node) = link {
            let left = size(node.left.as_deref());
            if skipped <= left {
                path.push(&**node);
                link = node.left.as_ref();
            } else {
                skipped -= left + 1;
                link = node.right.as_ref();
            }
        }
        From { path }
    }
}

/// The rest of a set in order.
pub(super) struct From<'a, K> {
    /// The next key, below those whose left side it is in.
    path: Vec<&'a Node<K>>,
}

impl<K: Copy> Iterator for From<'_, K> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        let node = self.path.pop()?;
        let mut link = node.right.as_deref();
        while let Some(next) = link {
            self.path.push(next);
            link = next.left.as_deref();
        }
        Some(node.key)
    }
}

fn size<K>(link: Option<&Node<K>>) -> usize {
    link.map_or(0, |node| node.size)
}

fn insert<K: Ord>(link: Link<K>, key: K) -> Box<Node<K>> {
    let Some(mut node) = link else {
        return Box::new(Node { key, size: 1, left: None, right: None });
    };
    match key.cmp(&node.key) {
        Ordering::Less => node.left = Some(insert(node.left.take(), key)),
        Ordering::Equal => {}
        Ordering::Greater => node.right = Some(insert(node.right.take(), key)),
    }
    balance(node)
}

fn remove<K: Ord>(link: Link<K>, key: K) -> Link<K> {
    let mut node = link?;
    match key.cmp(&node.key) {
        Ordering::Less => node.left = remove(node.left.take(), key),
        Ordering::Greater => node.right = remove(node.right.take(), key),
        Ordering::Equal => return join(node.left.take(), node.right.take()),
    }
    Some(balance(node))
}

/// The tree of two sides whose root was taken out.
fn join<K: Ord>(left: Link<K>, right: Link<K>) -> Link<K> {
    let Some(right) = right else {
        return left;
    };
    let (mut first, rest) = take_first(right);
    first.left = left;
    first.right = rest;
    Some(balance(first))
}

fn take_first<K: Ord>(mut node: Box<Node<K>>) -> (Box<Node<K>>, Link<K>) {
    match node.left.take() {
        None => {
            let rest = node.right.take();
            (node, rest)
        }
        Some(left) => {
            let (first, rest) = take_first(left);
            node.left = rest;
            (first, Some(balance(node)))
        }
    }
}

/// Restores the balance of a node one of whose sides changed by one key.
fn balance<K>(mut node: Box<Node<K>>) -> Box<Node<K>> {
    let weight = |link: &Link<K>| size(link.as_deref()) + 1;
    let (left, right) = (weight(&node.left), weight(&node.right));
    if right > DELTA * left {
        let inner = |side: &Node<K>| weight(&side.left) >= RATIO * weight(&side.right);
        if node.right.as_deref().is_some_and(inner) {
            node.right = node.right.take().map(rotate_right);
        }
        return rotate_left(node);
    }
    if left > DELTA * right {
        let inner = |side: &Node<K>| weight(&side.right) >= RATIO * weight(&side.left);
        if node.left.as_deref().is_some_and(inner) {
            node.left = node.left.take().map(rotate_left);
        }
        return rotate_right(node);
    }
    node.count();
    node
}

fn rotate_left<K>(mut node: Box<Node<K>>) -> Box<Node<K>> {
    let Some(mut top) = node.right.take() else {
        return node;
    };
    node.right = top.left.take();
    node.count();
    top.left = Some(node);
    top.count();
    top
}

fn rotate_right<K>(mut node: Box<Node<K>>) -> Box<Node<K>> {
    let Some(mut top) = node.left.take() else {
        return node;
    };
    node.left = top.right.take();
    node.count();
    top.right = Some(node);
    top.count();
    top
}

impl<K> Node<K> {
    fn count(&mut self) {
        self.size = size(self.left.as_deref()) + size(self.right.as_deref()) + 1;
    }
}

#[cfg(test)]
impl<K> Ranks<K> {
    /// The longest way from the root.
    pub(super) fn depth(&self) -> usize {
        fn depth<K>(link: Option<&Node<K>>) -> usize {
            link.map_or(0, |node| 1 + depth(node.left.as_deref()).max(depth(node.right.as_deref())))
        }
        depth(self.root.as_deref())
    }
}
