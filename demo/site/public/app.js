// The page: shows the catalogue, asks for a device at home, keeps films there, plays them.
import { Account } from './account.js';
import { CATALOGUE, LENGTH } from './catalogue.js';
import { Keeping } from './keeping.js';
import { Player } from './player.js';

const TYPE = 'media-cache';
const $ = (id) => document.getElementById(id);
const player = new Player($('video'));
const keeping = new Keeping();
const account = new Account();
let film = CATALOGUE[0];
let device = null;

const STATES = {
  checking: { chip: 'Looking at your home', status: '' },
  unsupported: { chip: 'Latchkey is not here', status: 'This browser can’t reach devices in your home yet. Install Latchkey, then load this page again.' },
  apart: { chip: 'Not connected', status: 'No device in your home is connected to Kinora.' },
  asking: { chip: 'Waiting for you', status: 'Choose your device in the Latchkey window.' },
  connected: { chip: 'Playing from home', status: 'Kinora can keep films on the device you chose. It can’t see your other devices or your network.' },
  away: { chip: 'Device away', status: 'Your device did not answer. Is it switched on, and are you at home?' },
  gone: { chip: 'Access stopped', status: 'Kinora may not use your device now.' },
};

function show(state) {
  document.body.dataset.home = state;
  $('chip').textContent = state === 'connected' && !(player.active && keeping.has(film.id)) ? 'Home connected' : STATES[state].chip;
  $('home-status').textContent = STATES[state].status;
  $('forget').hidden = state !== 'connected';
  $('play-label').textContent = player.active ? 'Play from the start' : device && keeping.has(film.id) ? 'Play from your home' : 'Play';
  showKept();
}

/** What is kept, and what is on its way, wherever it is shown. */
function showKept() {
  const state = document.body.dataset.home;
  const progress = device ? keeping.jobs.get(film.id) : undefined;
  const size = keeping.sizes[film.id]?.bytes;
  const there = Boolean(device) && keeping.has(film.id);
  $('keep').disabled = state === 'asking' || state === 'checking' || there || progress !== undefined;
  $('keep').dataset.kept = String(there);
  $('keep-label').textContent = state === 'asking' ? 'Choose your device…'
    : progress !== undefined ? 'On its way home…' : there ? 'Kept at home' : `Keep at home${size ? ` · ${megabytes(size)}` : ''}`;
  $('keeping').hidden = progress === undefined;
  $('keeping-bar').value = progress ?? 0;
  $('keeping-text').textContent = `${Math.round(100 * (progress ?? 0))} % is at home. You can close this page, it goes on.`;
  for (const card of document.querySelectorAll('.card')) card.querySelector('.badge').hidden = !(device && keeping.has(card.dataset.film));
  const kept = device ? CATALOGUE.filter(({ id }) => keeping.has(id)) : [];
  $('kept').hidden = kept.length === 0;
  $('kept').replaceChildren(...kept.map(({ id, title }) => {
    const item = document.createElement('li');
    const remove = Object.assign(document.createElement('button'), { type: 'button', className: 'button quiet', textContent: 'Remove' });
    remove.dataset.remove = id;
    remove.setAttribute('aria-label', `Remove ${title} from your home`);
    remove.addEventListener('click', () => void keeping.remove(device, id));
    item.append(title, Object.assign(document.createElement('span'), { textContent: megabytes(keeping.there.get(id).bytes) }), remove);
    return item;
  }));
}

function note(title, text) {
  $('notice').hidden = !title;
  $('notice').replaceChildren();
  if (!title) return;
  const bold = document.createElement('b');
  bold.textContent = title;
  $('notice').append(bold, text);
}

function cover(title, text, action, onAction) {
  $('cover').hidden = !title;
  $('controls').hidden = Boolean(title) || !player.active;
  if (!title) return;
  $('wait').hidden = true;
  $('stage').scrollIntoView({ block: 'nearest' });
  $('cover-title').textContent = title;
  $('cover-text').textContent = text;
  $('cover-action').textContent = action;
  $('cover-action').onclick = onAction;
}

function feature(next) {
  film = next;
  $('hero-title').textContent = film.title;
  $('hero-facts').textContent = film.facts;
  $('hero-blurb').textContent = film.blurb;
  $('backdrop').src = `posters/${film.id}.jpg`;
  $('backdrop').alt = `A picture from ${film.title}`;
  for (const card of document.querySelectorAll('.card')) card.setAttribute('aria-current', String(card.dataset.film === film.id));
  if (document.body.dataset.home) show(document.body.dataset.home);
}

async function play() {
  note('');
  cover('');
  $('wait').hidden = false;
  const from = device && keeping.has(film.id) ? device : null;
  try {
    await player.open(from, film, document.querySelector('[name="format"]:checked').value);
    $('video').hidden = false;
    $('controls').hidden = false;
    $('tally').hidden = false;
    show(document.body.dataset.home === 'away' ? 'connected' : document.body.dataset.home);
  } catch (error) {
    if (from === null) {
      cover('The film did not come', 'Is the internet away? Films that are kept at home play all the same.', 'Try again', play);
      return;
    }
    if (device === null) return; // Taken back meanwhile: that is said already.
    show('away');
    cover('Your device did not answer', 'Check that it is switched on and that you are on your home network.', 'Try again', play);
  } finally {
    $('wait').hidden = true;
  }
}

const heard = new WeakSet(); // One device is one object, however often it is handed out.

function adopt(found) {
  device = found;
  if (heard.has(found)) return;
  heard.add(found);
  found.addEventListener('revoked', () => {
    device = null;
    player.halt();
    show('gone');
    note('');
    cover('Playback has stopped', 'Kinora may not use your device at the moment. The film stays at home. Latchkey can tell you more when you ask again.', 'Ask again', again);
  });
  found.addEventListener('restored', () => {
    device = found;
    show('connected');
    note('');
    void look();
    cover('You can go on', 'Kinora may use your device again.', 'Go on watching', play);
  });
}

async function look() {
  try {
    if (account.settings !== null && await account.join(device) === null) return keeping.clear();
    await keeping.look(device);
  } catch {
    // It answers later, or says that it is away when it is asked for a film.
  }
  if (device) show(document.body.dataset.home);
}

/** A device to keep films on; null where the person gives none. */
async function ask() {
  if (!navigator.localDevices) {
    show('unsupported');
    note('Your browser needs Latchkey for this', 'Latchkey lets a web service use one device in your home, and only if you say so. Install it, then load this page again.');
    return null;
  }
  if (account.settings !== null && account.viewer === null) {
    note('Sign in first', 'What you keep at home is yours alone, so Kinora has to know who you are.');
    return null;
  }
  if (!device) {
    const before = document.body.dataset.home;
    show('asking');
    note('');
    try {
      adopt(await navigator.localDevices.requestDevice({ filters: [{ type: TYPE }], sso: account.sso }));
    } catch {
      show(before === 'gone' ? 'gone' : 'apart');
      note('No device was chosen', 'You can try again at any time.');
      return null;
    }
    show('connected');
    await look();
  }
  return device;
}

async function keep() {
  const wanted = film;
  const found = await ask();
  if (!found || keeping.has(wanted.id)) return;
  note('');
  try {
    await keeping.keep(found, wanted);
  } catch (error) {
    keeping.jobs.delete(wanted.id);
    note(`${wanted.title} is not at home`, `${error.message} You can try again at any time.`);
  }
  if (device) show(document.body.dataset.home);
}

async function again() {
  if (await ask()) await play();
}

async function forget() {
  if (device) await device.forget().catch(() => {});
}

function showViewer() {
  $('viewer').hidden = account.settings === null;
  $('viewer-name').textContent = account.viewer === null ? '' : account.name;
  $('sign').textContent = account.viewer === null ? 'Sign in' : 'Sign out';
  document.body.dataset.viewer = account.viewer?.user ?? '';
}

/** In, or out: then nothing of theirs plays or is shown any more. */
async function sign() {
  $('sign').disabled = true;
  note('');
  try {
    if (account.viewer === null) {
      await account.signIn();
      cover('');
      if (device) await look();
    } else {
      const leaving = account.signOut(device);
      player.halt();
      keeping.clear();
      cover('You are signed out', 'What you keep at home stays there, for you alone.', 'Sign in', sign);
      await leaving;
    }
  } catch {
    note('That did not work', 'You can try again at any time.');
  } finally {
    $('sign').disabled = false;
    showViewer();
    show(document.body.dataset.home);
  }
}

function fillShelf() {
  for (const entry of CATALOGUE) {
    const card = document.createElement('button');
    card.type = 'button';
    card.className = 'card';
    card.dataset.film = entry.id;
    const art = Object.assign(document.createElement('span'), { className: 'art' });
    art.append(
      Object.assign(document.createElement('img'), { src: `posters/${entry.id}.jpg`, alt: '', loading: 'lazy' }),
      Object.assign(document.createElement('span'), { className: 'length', textContent: LENGTH }),
      Object.assign(document.createElement('span'), { className: 'badge', textContent: 'At home', hidden: true }),
    );
    card.append(art, Object.assign(document.createElement('b'), { textContent: entry.title }),
      Object.assign(document.createElement('span'), { className: 'sub', textContent: entry.facts.split(' · ')[0] }));
    card.addEventListener('click', () => {
      feature(entry);
      window.scrollTo({ top: 0 });
      if (player.active) void play();
    });
    const item = document.createElement('li');
    item.append(card);
    $('cards').append(item);
  }
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function wireControls() {
  const video = $('video');
  const update = () => {
    $('controls').classList.toggle('paused', video.paused);
    $('toggle').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    $('seek').value = String(length ? Math.round((1000 * video.currentTime) / length) : 0);
    $('seek').setAttribute('aria-valuetext', `${clock(video.currentTime)} of ${clock(length)}`);
    $('clock').textContent = `${clock(video.currentTime)} / ${clock(length)}`;
  };
  for (const event of ['play', 'pause', 'timeupdate', 'durationchange', 'seeked', 'ended']) video.addEventListener(event, update);
  $('toggle').addEventListener('click', () => (video.paused ? void video.play() : video.pause()));
  $('seek').addEventListener('input', () => {
    if (Number.isFinite(video.duration)) video.currentTime = (Number($('seek').value) / 1000) * video.duration;
  });
  $('sound').addEventListener('click', () => {
    video.muted = !video.muted;
    $('sound').setAttribute('aria-pressed', String(video.muted));
  });
  $('full').addEventListener('click', () => void $('stage').requestFullscreen?.());
  player.onTally = ({ home, web, pieces }) => {
    $('tally-home').textContent = megabytes(home);
    $('tally-web').textContent = megabytes(web);
    $('tally-pieces').textContent = String(pieces);
    $('tally-saved').textContent = `${Math.round((100 * home) / Math.max(1, home + web))} %`;
  };
  player.onTrouble = () => {
    if (!device || !keeping.has(film.id)) return;
    show('away');
    cover('Your device stopped answering', 'The film goes on as soon as your device is back.', 'Try again', play);
  };
}

async function start() {
  fillShelf();
  await keeping.load().catch(() => {});
  await account.load().catch(() => {});
  showViewer();
  keeping.onChange = () => showKept();
  feature(film);
  wireControls();
  // Without the internet there may be no picture: then a dark stage, and no words on it.
  $('backdrop').addEventListener('error', () => { $('backdrop').alt = ''; $('backdrop').removeAttribute('src'); });
  $('play').addEventListener('click', () => void play());
  $('keep').addEventListener('click', () => void keep());
  for (const choice of document.querySelectorAll('[name="format"]')) choice.addEventListener('change', () => player.active && void play());
  $('sign').addEventListener('click', () => void sign());
  $('forget').addEventListener('click', () => void forget());
  show('checking');
  if (!navigator.localDevices) return show('unsupported');
  const known = (await navigator.localDevices.getDevices()).find((each) => each.type === TYPE);
  if (known) adopt(known);
  show(known ? 'connected' : 'apart');
  if (known) await look();
}

void start();
