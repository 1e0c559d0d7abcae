//! What Rust does for the prelude: stderr, clocks, chance, and texts as bytes.

use rquickjs::{Ctx, Function, Object, Result, String, TypedArray};
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is a sandbox's own, and must not be its snapshot's.
#[derive(Debug)]
pub(crate) struct Host {
    started: Cell<Instant>,
    /// When that was, in milliseconds of the epoch.
    origin: Cell<f64>,
    /// The state of `Math.random`: none until it is asked for.
    random: Cell<Option<[u64; 2]>>,
    /// The metadata of the request that is served.
    meta: RefCell<Vec<u8>>,
}

impl Host {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            started: Cell::new(Instant::now()),
            origin: Cell::new(epoch_ms()),
            random: Cell::new(None),
            meta: RefCell::default(),
        })
    }

    /// Starts the clocks, and forgets what was drawn before: this may be one of many clones of one snapshot.
    pub(crate) fn wake(&self) {
        self.started.set(Instant::now());
        self.origin.set(epoch_ms());
        self.random.set(None);
    }

    /// Keeps a request's metadata for those who ask.
    pub(crate) fn remember(&self, meta: &[u8]) {
        let mut kept = self.meta.borrow_mut();
        kept.clear();
        kept.extend_from_slice(meta);
    }

    /// The object that the prelude is given.
    pub(crate) fn object<'js>(self: &Rc<Self>, ctx: &Ctx<'js>) -> Result<Object<'js>> {
        let object = Object::new(ctx.clone())?;
        object.set("print", Function::new(ctx.clone(), print)?)?;
        object.set("encode", Function::new(ctx.clone(), encode)?)?;
        object.set("decode", Function::new(ctx.clone(), decode)?)?;
        object.set("entropy", Function::new(ctx.clone(), entropy)?)?;
        let host = self.clone();
        object.set("now", Function::new(ctx.clone(), move || host.now())?)?;
        let host = self.clone();
        object.set("origin", Function::new(ctx.clone(), move || host.origin.get())?)?;
        let host = self.clone();
        object.set("random", Function::new(ctx.clone(), move || host.random())?)?;
        let host = self.clone();
        object.set("meta", Function::new(ctx.clone(), move |ctx| host.meta(ctx))?)?;
        Ok(object)
    }

    /// Milliseconds since the sandbox, or this clone of it, came up.
    fn now(&self) -> f64 {
        self.started.get().elapsed().as_secs_f64() * 1e3
    }

    /// From 0 to below 1: xoroshiro128+.
    fn random(&self) -> f64 {
        let [a, b] = self.random.get().unwrap_or_else(seed);
        let sum = a.wrapping_add(b);
        let b = b ^ a;
        self.random.set(Some([a.rotate_left(24) ^ b ^ (b << 16), b.rotate_left(37)]));
        (sum >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    fn meta<'js>(&self, ctx: Ctx<'js>) -> Result<String<'js>> {
        let meta = self.meta.borrow();
        let text = std::str::from_utf8(&meta).unwrap_or_default();
        String::from_str(ctx, if text.is_empty() { "{}" } else { text })
    }
}

fn epoch_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

fn seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    // Without a source of chance there is still the clock.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_le_bytes();
    }
    let bits = u128::from_le_bytes(bytes);
    // All zeros is the one state that the generator would never leave.
    [bits as u64, (bits >> 64) as u64 | 1]
}

/// In one piece, so that what others write doesn't come in between.
fn print(text: String<'_>) -> Result<()> {
    // Nobody is left to be told where stderr is gone.
    let _ = std::io::stderr().write_all(text.to_cstring()?.as_bytes());
    Ok(())
}

fn encode<'js>(ctx: Ctx<'js>, text: String<'js>) -> Result<TypedArray<'js, u8>> {
    TypedArray::new_copy(ctx, text.to_cstring()?.as_bytes())
}

/// Nothing where the bytes had to be UTF-8 and are not.
#[allow(unsafe_code, reason = "the bytes of an array that JavaScript holds")]
fn decode<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>, fatal: bool) -> Result<Option<String<'js>>> {
    // SAFETY: no JavaScript runs, and so nothing detaches or changes the array's buffer, before this function returns.
    let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => String::from_str(ctx, text).map(Some),
        Err(_) if fatal => Ok(None),
        Err(_) => String::from_str(ctx, &std::string::String::from_utf8_lossy(bytes)).map(Some),
    }
}

fn entropy(ctx: Ctx<'_>, count: usize) -> Result<TypedArray<'_, u8>> {
    let mut bytes = vec![0; count];
    match getrandom::fill(&mut bytes) {
        Ok(()) => TypedArray::new(ctx, bytes),
        Err(error) => Err(rquickjs::Exception::throw_message(&ctx, &format!("no random bytes: {error}"))),
    }
}
