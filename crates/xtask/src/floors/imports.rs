//! What the files of a crate import of each other, read from their text.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree};

/// The texts of a crate's files, by their paths from its sources.
pub type Sources = BTreeMap<String, String>;

/// A path as it is written: its segments.
type Segments = Vec<String>;

/// What a name is in a module; the same name may be a module and a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// A module below it.
    Module,
    /// Defined there.
    Here,
}

/// A module, without its tests.
struct Module {
    file: String,
    items: Vec<Item>,
    names: BTreeMap<String, Vec<Name>>,
    /// What it uses of others, by the name under which it does.
    used: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
}

impl Module {
    /// Tells whether it is more than a list of modules and of what they hand on.
    fn has_own(&self) -> bool {
        self.items.iter().any(|item| !matches!(item, Item::Use(_)))
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// Something that a file defines, and that others hand on which are more than that.
    Item(BTreeSet<String>),
    /// A module: what is used of it says more.
    Module,
}

/// The modules of a crate by their paths from its root.
struct Modules(BTreeMap<Segments, Module>);

/// Returns for each file of a crate the other files of it that it imports from.
pub fn of(sources: &Sources) -> BTreeMap<String, BTreeSet<String>> {
    let root = ["lib.rs", "main.rs"]
        .into_iter()
        .find(|root| sources.contains_key(*root))
        .expect("a crate has a root");
    let mut modules = Modules(BTreeMap::new());
    modules.read(sources, Vec::new(), root, "");
    let mut imports = BTreeMap::new();
    for (at, module) in &modules.0 {
        let mut reader = Reader { modules: &modules, at, found: BTreeSet::new() };
        module.items.iter().for_each(|item| reader.visit_item(item));
        let imported: &mut BTreeSet<String> = imports.entry(module.file.clone()).or_default();
        imported.extend(reader.found.into_iter().filter(|file| *file != module.file));
    }
    imports
}

impl Modules {
    /// Reads the module of a file whose modules lie in `folder`.
    fn read(&mut self, sources: &Sources, at: Segments, file: &str, folder: &str) {
        let text = syn::parse_file(&sources[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.add(sources, at, file, folder, text.items);
    }

    fn add(&mut self, sources: &Sources, at: Segments, file: &str, folder: &str, items: Vec<Item>) {
        let mut module = Module {
            file: file.to_string(),
            items: Vec::new(),
            names: BTreeMap::new(),
            used: BTreeMap::new(),
            globs: Vec::new(),
        };
        for item in items.into_iter().filter(|item| !is_of_tests(attributes(item))) {
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let below = [at.as_slice(), std::slice::from_ref(&name)].concat();
                    let folder_below = format!("{folder}{name}/");
                    module.names.entry(name.clone()).or_default().push(Name::Module);
                    match inner.content {
                        Some((_, items)) => self.add(sources, below, file, &folder_below, items),
                        None => {
                            let files = [format!("{folder}{name}.rs"), format!("{folder_below}mod.rs")];
                            let there = files.iter().find(|it| sources.contains_key(*it));
                            let there =
                                there.unwrap_or_else(|| panic!("{file}: there is no file of mod {name}"));
                            self.read(sources, below, there, &folder_below);
                        }
                    }
                }
                Item::Use(ref line) => {
                    for (path, name) in leaves(&line.tree) {
                        match name {
                            Some(name) => drop(module.used.insert(name, path)),
                            None => module.globs.push(path),
                        }
                    }
                    module.items.push(item);
                }
                _ => {
                    let names = name(&item).into_iter();
                    names.for_each(|name| module.names.entry(name).or_default().push(Name::Here));
                    module.items.push(item);
                }
            }
        }
        self.0.insert(at, module);
    }

    /// Returns a path from the crate's root; none where it leads out of the crate.
    fn absolute(&self, at: &[String], path: &[String]) -> Option<Segments> {
        let mut base = at;
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => base = &[],
                "self" => {}
                "super" => base = base.split_last()?.1,
                first => {
                    let module = self.0.get(base)?;
                    let known = module.names.contains_key(first) || module.used.contains_key(first);
                    let relative = rest.len() == path.len();
                    return (known || !relative).then(|| [base, rest].concat());
                }
            }
            rest = after;
        }
        Some(base.to_vec())
    }

    /// Follows a path to what it leads to, through all modules that only hand it on.
    fn target(&self, at: &[String], path: &[String]) -> Option<Target> {
        self.follow(&self.absolute(at, path)?, 16)
    }

    fn follow(&self, path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let mut at: &[String] = &[];
        while let Some(name) = path.get(at.len()) {
            let module = self.0.get(at)?;
            let is = |wanted: Name| module.names.get(name).is_some_and(|names| names.contains(&wanted));
            let (below, rest) = (&path[..=at.len()], &path[at.len() + 1..]);
            // What a path ends with is the item of that name rather than the module.
            if is(Name::Module) && !(rest.is_empty() && (is(Name::Here) || module.used.contains_key(name))) {
                at = below;
                continue;
            }
            if is(Name::Here) {
                return Some(Target::Item(BTreeSet::from([module.file.clone()])));
            }
            if let Some(used) = module.used.get(name) {
                let used = self.absolute_use(at, used)?;
                let mut target = self.follow(&[used.as_slice(), rest].concat(), depth)?;
                match &mut target {
                    Target::Item(files) if module.has_own() => drop(files.insert(module.file.clone())),
                    Target::Item(_) | Target::Module => {}
                }
                return Some(target);
            }
            let mut through = module.globs.iter().filter_map(|glob| self.absolute_use(at, glob));
            let found = through.find_map(|glob| {
                let known = self
                    .0
                    .get(&glob)
                    .is_some_and(|it| it.names.contains_key(name) || it.used.contains_key(name));
                known.then(|| self.follow(&[glob.as_slice(), &path[at.len()..]].concat(), depth))?
            });
            // A macro has made what is not found.
            return found.or_else(|| Some(Target::Item(BTreeSet::from([module.file.clone()]))));
        }
        Some(Target::Module)
    }

    /// In a `use` line a name is never the one that the line itself brings in.
    fn absolute_use(&self, at: &[String], path: &[String]) -> Option<Segments> {
        let first = path.first()?;
        let module = self.0.get(at)?;
        match first.as_str() {
            "crate" | "self" | "super" => self.absolute(at, path),
            _ => module.names.contains_key(first).then(|| [at, path].concat()),
        }
    }
}

/// Collects what the items of a module name of other files.
struct Reader<'m> {
    modules: &'m Modules,
    at: &'m [String],
    found: BTreeSet<String>,
}

impl Reader<'_> {
    fn name(&mut self, path: &[String]) {
        if let Some(Target::Item(files)) = self.modules.target(self.at, path) {
            self.found.extend(files);
        }
    }

    /// The paths in what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.written(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.written(&std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.written(&path);
    }

    /// A name alone is a variable, or something that a `use` line says.
    fn written(&mut self, path: &[String]) {
        if path.len() > 1 {
            self.name(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, line: &'ast syn::ItemUse) {
        for (path, name) in leaves(&line.tree) {
            let Some(absolute) = self.modules.absolute_use(self.at, &path) else { continue };
            match (self.modules.follow(&absolute, 16), name) {
                (Some(Target::Item(files)), _) => self.found.extend(files),
                (Some(Target::Module), None) => {
                    self.found.extend(self.modules.0.get(&absolute).map(|it| it.file.clone()));
                }
                (Some(Target::Module), Some(_)) | (None, _) => {}
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_none() {
            self.written(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(called.tokens.clone());
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let tested = matches!(item, ImplItem::Fn(it) if is_of_tests(&it.attrs));
        if !tested {
            visit::visit_impl_item(self, item);
        }
    }
}

/// Returns the paths of a `use` line, each with the name that it brings in; none of a glob.
fn leaves(tree: &UseTree) -> Vec<(Segments, Option<String>)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let below = leaves(&path.tree).into_iter();
            below
                .map(|(rest, name)| match rest.as_slice() {
                    [only] if only == "self" => (
                        vec![first.clone()],
                        name.map(|name| if name == "self" { first.clone() } else { name }),
                    ),
                    rest => ([std::slice::from_ref(&first), rest].concat(), name),
                })
                .collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], Some(name.ident.to_string()))],
        UseTree::Rename(rename) => vec![(vec![rename.ident.to_string()], Some(rename.rename.to_string()))],
        UseTree::Glob(_) => vec![(Vec::new(), None)],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Returns the name that an item defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// Tells whether something is only there for tests.
fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|it| it.is_ident("test"));
        cfg || attribute.path().is_ident("test")
    })
}
