// The control page: every device and web service, when each was last used, pause, renew, remove,
// forget, details, a copy of it all.
import type { Grant } from '../protocol/agent';
import type {
  ControlMessage,
  ControlReply,
  ControlState,
  Details,
  GrantAction,
} from '../protocol/control';
import type { People } from '../protocol/people';
import { byId, h, nameNode } from '../ui/dom';
import { addWords, deviceTitle } from '../ui/grant-view';
import { type Group, byDevice, bySite } from '../ui/groups';
import { icon } from '../ui/icons';
import { statusViews } from '../ui/status-view';
import { fillTexts, text, typeKey } from '../ui/text';
import { emptyView, providerLine } from './about-view';
import { exportName, exportText } from './export';
import { countOf, search, slice } from './search';
import { type Actions, type Look, type Tab, cardView } from './view';

// Entries drawn at a time; the rest follows as the person comes near the end.
const kSlice = 60;
const kTabs: readonly Tab[] = ['devices', 'sites'];

let state: ControlState | null = null;
let tab: Tab = 'devices';
let query = '';
let shown = kSlice;
let sure: string | null = null;
const busy = new Set<string>();
const open = new Set<string>();
const details = new Map<string, Details>();
const people = new Map<string, People | undefined>();
// Cards by what they were made of: what has not changed is not made again.
let cards = new Map<string, { readonly of: string; readonly card: HTMLElement }>();

const field = byId('search') as HTMLInputElement;

async function ask(message: ControlMessage): Promise<ControlReply> {
  const reply = await chrome.runtime.sendMessage<ControlMessage, ControlReply>(message);
  state = reply.state;
  return reply;
}

async function refresh(): Promise<void> {
  await ask({ kind: 'control.state' });
  draw();
}

// --- drawing ---

function draw(): void {
  if (state === null) return;
  const { agent, grants, providers } = state;
  byId('status').replaceChildren(...statusViews(agent, providers));
  byId('tools').hidden = grants.length === 0;
  byId('export').hidden = grants.length === 0;
  for (const one of kTabs) {
    const button = byId(`tab-${one}`);
    button.setAttribute('aria-selected', String(one === tab));
    button.tabIndex = one === tab ? 0 : -1;
  }
  const all = tab === 'devices' ? byDevice(grants) : bySite(grants);
  const found = search(all, query, (grant) => text(typeKey('type', grant.type)));
  drawList(found, grants.length === 0);
  const count = countOf(found);
  say('count', query.trim() === '' ? '' : foundText(count));
  const left = count - shown;
  byId('more').hidden = left <= 0;
  byId('more').textContent = text('controlMore', String(left));
  byId('providers').hidden = providers.length === 0;
  byId('provider-list').replaceChildren(...providers.map(providerLine));
}

function foundText(count: number): string {
  return count === 0 ? text('controlFoundNone') : text('controlFound', String(count));
}

function drawList(found: readonly Group[], nothing: boolean): void {
  const list = byId('list');
  const focused = document.activeElement?.id ?? '';
  list.setAttribute('aria-labelledby', `tab-${tab}`);
  const next = new Map<string, { readonly of: string; readonly card: HTMLElement }>();
  for (const group of slice(found, shown)) {
    const key = `${tab} ${group.key}`;
    const of = madeOf(group);
    const kept = cards.get(key);
    const card = kept?.of === of ? kept.card : cardView(group, look(), actions);
    next.set(key, { of, card });
  }
  cards = next;
  list.replaceChildren(...(nothing ? [emptyView()] : [...next.values()].map(({ card }) => card)));
  if (focused !== '' && document.activeElement?.id !== focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

function look(): Look {
  const { devices, nearby } = state ?? { devices: [], nearby: [] };
  return { tab, sure, busy, open, details, people, devices, nearby };
}

function madeOf(group: Group): string {
  const ids = [group.key, ...group.grants.map((grant) => grant.id)];
  return JSON.stringify([
    group.grants,
    ids.filter((id) => busy.has(id) || sure?.endsWith(id) === true),
    ids.filter((id) => open.has(id)).map((id) => [id, details.get(id)]),
    tab === 'devices' && people.has(group.key) ? (people.get(group.key) ?? 'asked') : null,
    sure !== null && ids.some((id) => sure?.endsWith(id)) ? sure : null,
    tab === 'sites' ? state?.nearby : state?.devices.find((one) => one.id === group.key),
    // "3 minutes ago" grows old.
    Math.floor(Date.now() / 60_000),
  ]);
}

// Only what changes is said; an empty text says nothing.
function say(id: 'count' | 'said', words: string): void {
  const place = byId(id);
  if (place.textContent !== words) place.textContent = words;
}

// --- doing ---

const actions: Actions = {
  act: (action, grant) => {
    void act(action, grant);
  },
  toggle: (grant) => {
    if (open.delete(grant.id)) {
      draw();
      return;
    }
    open.add(grant.id);
    void act('details', grant);
  },
  forget: (device) => {
    void forget(device);
  },
  people: (device) => {
    void askPeople(device);
  },
  ask: (next, focus) => {
    sure = next;
    draw();
    document.getElementById(focus)?.focus();
  },
  allowNearby: (site, allowed) => {
    void ask({ kind: 'control.nearby', site, allowed }).then(draw);
  },
};

async function act(action: GrantAction, grant: Grant): Promise<void> {
  if (action !== 'details') say('said', '');
  busy.add(grant.id);
  draw();
  try {
    const reply = await ask({ kind: 'control.grant', action, grant: grant.id });
    if (reply.details !== null) details.set(grant.id, reply.details);
    if (reply.failed !== null) {
      if (action === 'details') open.delete(grant.id);
      say('said', failedText(reply.failed, grant));
    } else {
      say('said', doneText(action, grant, reply));
    }
  } finally {
    busy.delete(grant.id);
    if (action === 'remove') after(`confirm-${grant.id}`);
    else draw();
  }
}

// Asked anew each time it is unfolded: it is the device that knows.
async function askPeople(device: string): Promise<void> {
  say('said', '');
  if (people.delete(device)) {
    draw();
    return;
  }
  people.set(device, undefined);
  draw();
  const reply = await ask({ kind: 'control.people', device });
  if (!people.has(device)) return; // folded meanwhile
  if (reply.people !== null) people.set(device, reply.people);
  else {
    people.delete(device);
    const known = reply.state.grants.find((one) => one.deviceId === device);
    if (known !== undefined) say('said', failedText(reply.failed ?? 'no_agent', known));
  }
  draw();
}

async function forget(device: string): Promise<void> {
  say('said', '');
  busy.add(device);
  draw();
  const title = state?.grants.find((one) => one.deviceId === device);
  try {
    const reply = await ask({ kind: 'control.forget', device });
    say(
      'said',
      reply.failed === null || title === undefined
        ? text('controlForgotten')
        : failedText(reply.failed, title),
    );
  } finally {
    busy.delete(device);
    after(`confirm-${device}`);
  }
}

// What was asked about is gone, or stays after all: the focus goes to what took its place.
function after(confirm: string): void {
  const all = [...document.querySelectorAll<HTMLElement>('#list button')];
  const at = all.findIndex((one) => one.id === confirm);
  const focused = document.activeElement?.id === confirm;
  sure = null;
  draw();
  if (!focused) return;
  const still = all
    .slice(Math.max(at, 0))
    .map((one) => document.getElementById(one.id))
    .find((one) => one !== null);
  (still ?? byId('list')).focus({ preventScroll: still === undefined });
}

function failedText(failed: Exclude<ControlReply['failed'], null>, grant: Grant): string {
  const key = failed === 'no_agent' ? 'not_running' : failed;
  return text('controlFailed', text(`problem_${key}`, deviceTitle(grant)));
}

function doneText(action: GrantAction, grant: Grant, reply: ControlReply): string {
  const now = reply.state.grants.find((one) => one.id === grant.id);
  switch (action) {
    case 'pause':
      return text(reply.delivered ? 'controlPaused' : 'controlPausedLater');
    case 'resume':
      return text(now?.state === 'active' ? 'controlResumed' : 'controlResumedHeld');
    case 'renew':
      return text('controlRenewed');
    case 'remove':
      return text('homeRemoved');
    case 'details':
      return '';
  }
}

// --- a copy of it all ---

let saving = false;

async function save(): Promise<void> {
  if (saving) return;
  saving = true;
  say('said', '');
  try {
    // The details are the agent's; it is asked for all of them.
    const reply = await ask({ kind: 'control.copy' });
    if (reply.copy === null) say('said', text('controlExportFailed'));
    else download(exportText(reply.state, reply.copy, Math.floor(Date.now() / 1000)));
  } finally {
    saving = false;
    draw();
  }
}

function download(copy: string): void {
  const now = Math.floor(Date.now() / 1000);
  const blob = new Blob([copy], { type: 'application/json' });
  const link = h('a', { href: URL.createObjectURL(blob), download: exportName(now) });
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 60_000);
  say('said', text('controlExported', exportName(now)));
}

// --- the page ---

function choose(next: Tab): void {
  tab = next;
  sure = null;
  shown = kSlice;
  draw();
}

function showMore(): void {
  shown += kSlice;
  draw();
}

fillTexts(document);
document.title = `${text('brand')}: ${text('controlTitle')}`;
byId('brand').append(icon('key'), nameNode(text('brand')));
byId('export').append(text('controlExport'));
byId('export').addEventListener('click', () => {
  void save();
});
field.placeholder = text('controlSearchHint');
field.addEventListener('input', () => {
  query = field.value;
  shown = kSlice;
  sure = null;
  draw();
});
for (const one of kTabs) {
  byId(`tab-${one}`).addEventListener('click', () => {
    choose(one);
  });
}
byId('tabs').addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
  event.preventDefault();
  choose(tab === 'devices' ? 'sites' : 'devices');
  byId(`tab-${tab}`).focus();
});
byId('add').append(...addWords());
byId('add').addEventListener('click', () => {
  void ask({ kind: 'control.add' });
});
byId('more').addEventListener('click', showMore);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) showMore();
}).observe(byId('more'));
chrome.storage.onChanged.addListener((changes, area) => {
  if (area === 'session' && 'grants' in changes && busy.size === 0) void refresh();
});
void refresh();
