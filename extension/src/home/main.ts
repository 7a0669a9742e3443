// The toolbar's popup: which devices, which web services, since when, last used, take it back. All
// the rest is on the control page.
import type { Grant } from '../protocol/agent';
import type { HomeMessage, HomeState } from '../protocol/internal';
import { byId, h, nameNode } from '../ui/dom';
import {
  addWords,
  addressView,
  deviceHead,
  deviceTitle,
  nearbyView,
  siteHead,
  stateTags,
  timesText,
  whoText,
  whoView,
} from '../ui/grant-view';
import { type Group, byDevice, bySite } from '../ui/groups';
import { icon } from '../ui/icons';
import { statusViews } from '../ui/status-view';
import { fillTexts, text } from '../ui/text';

type Tab = 'devices' | 'sites';

let state: HomeState | null = null;
let tab: Tab = 'devices';
let sure: string | null = null; // the grant whose removal is being confirmed

async function ask(message: HomeMessage): Promise<HomeState> {
  return chrome.runtime.sendMessage<HomeMessage, HomeState>(message);
}

// Between press and release of a button nothing is drawn anew that nobody asked for: the click would
// be lost with the button it began on.
let pressing = false;
let later: HomeState | null = null;

async function refresh(): Promise<void> {
  const next = await ask({ kind: 'home.state' });
  if (pressing) later = next;
  else show(next);
}

function released(): void {
  setTimeout(() => {
    pressing = false;
    if (later !== null) show(later);
  });
}

function show(next: HomeState): void {
  later = null;
  state = next;
  draw();
}

function draw(): void {
  if (state === null) return;
  const { agent, grants } = state;
  byId('status').replaceChildren(...statusViews(agent, state.providers));
  byId('tabs').hidden = grants.length === 0;
  for (const one of ['devices', 'sites'] as const) {
    byId(`tab-${one}`).setAttribute('aria-selected', String(one === tab));
  }
  const groups = tab === 'devices' ? byDevice(grants) : bySite(grants);
  const focused = document.activeElement?.id ?? '';
  byId('list').setAttribute('aria-labelledby', `tab-${tab}`);
  byId('list').replaceChildren(...(groups.length === 0 ? [emptyView()] : groups.map(groupView)));
  if (focused !== '') document.getElementById(focused)?.focus();
}

function emptyView(): HTMLElement {
  return h(
    'div',
    { class: 'empty', id: 'empty' },
    h('span', { class: 'empty-art', 'aria-hidden': 'true' }, icon('home')),
    h('h2', {}, text('homeEmptyTitle')),
    h('p', { class: 'quiet' }, text('homeEmptyText')),
  );
}

// One of the person's own: opened by hand, at an address of its own.
function openButton(grant: Grant): HTMLElement | null {
  if (grant.origin !== null || grant.state !== 'active') return null;
  const button = h(
    'button',
    {
      id: `open-${grant.id}`,
      type: 'button',
      class: 'small',
      'data-testid': 'open',
      'aria-label': text('homeOpenLabel', deviceTitle(grant)),
    },
    text('homeOpen'),
  );
  button.addEventListener('click', () => {
    void ask({ kind: 'home.open', grant: grant.id });
  });
  return button;
}

function groupView(group: Group): HTMLElement {
  const { title } = group;
  const head = tab === 'devices' ? deviceHead(title) : siteHead(title);
  return h(
    'section',
    { class: 'card', 'data-testid': tab === 'devices' ? 'device' : 'site', 'data-key': group.key },
    h('div', { class: 'head' }, ...head),
    h('ul', {}, ...group.grants.map(grantView)),
    tab === 'sites' && title.origin !== null
      ? nearbyView(title.origin, state?.nearby ?? [], allowNearby)
      : null,
  );
}

function grantView(grant: Grant): HTMLElement {
  const line = tab === 'devices' ? whoView(grant) : nameNode(deviceTitle(grant));
  return h(
    'li',
    { class: 'entry', 'data-testid': 'grant', 'data-grant': grant.id },
    h(
      'span',
      { class: 'what' },
      line,
      addressView(grant),
      h('span', { class: 'under' }, timesText(grant)),
      ...stateTags(grant),
    ),
    sure === grant.id
      ? sureView(grant)
      : h('span', { class: 'acts' }, openButton(grant), removeButton(grant, whoText(grant))),
  );
}

function allowNearby(site: string, allowed: boolean): void {
  void ask({ kind: 'home.nearby', site, allowed }).then(show);
}

function removeButton(grant: Grant, who: string): HTMLElement {
  const button = h(
    'button',
    {
      id: `remove-${grant.id}`,
      type: 'button',
      class: 'small',
      'data-testid': 'remove',
      'aria-label': text('homeRemoveLabel', who, grant.deviceName),
    },
    text('homeRemove'),
  );
  button.addEventListener('click', () => {
    sure = grant.id;
    draw();
    document.getElementById(`confirm-${grant.id}`)?.focus();
  });
  return button;
}

function sureView(grant: Grant): HTMLElement {
  const keep = h('button', { type: 'button', class: 'small' }, text('homeKeep'));
  keep.addEventListener('click', () => {
    sure = null;
    draw();
    document.getElementById(`remove-${grant.id}`)?.focus();
  });
  const remove = h(
    'button',
    {
      id: `confirm-${grant.id}`,
      type: 'button',
      class: 'small danger',
      'data-testid': 'confirm-remove',
      'aria-label': text('homeRemoveSure'),
    },
    text('homeRemove'),
  );
  remove.addEventListener('click', () => {
    remove.disabled = true;
    void revoke(grant);
  });
  return h('span', { class: 'sure' }, h('b', {}, text('homeRemoveSure')), keep, remove);
}

async function revoke(grant: Grant): Promise<void> {
  const next = await ask({ kind: 'home.revoke', grant: grant.id });
  sure = null;
  show(next);
  const gone = !next.grants.some((one) => one.id === grant.id);
  byId('said').textContent = text(gone ? 'homeRemoved' : 'homeRemoveFailed');
}

function choose(next: Tab): void {
  tab = next;
  sure = null;
  draw();
}

fillTexts(document);
byId('brand').append(icon('key'), text('brand'));
const inTab = location.hash === '#tab' || window.innerWidth > 600;
document.body.classList.toggle('in-tab', inTab);
const openTab = byId('open-tab');
openTab.hidden = inTab;
openTab.append(text('controlManage'), icon('open'));
openTab.addEventListener('click', () => {
  void chrome.tabs.create({ url: chrome.runtime.getURL('control.html') }).then(() => {
    window.close();
  });
});
const add = byId('add');
add.append(...addWords());
add.addEventListener('click', () => {
  void ask({ kind: 'home.add' }).then(() => {
    if (!inTab) window.close();
  });
});
for (const one of ['devices', 'sites'] as const) {
  byId(`tab-${one}`).addEventListener('click', () => {
    choose(one);
  });
}
document.addEventListener(
  'pointerdown',
  () => {
    pressing = true;
  },
  true,
);
document.addEventListener('pointerup', released, true);
document.addEventListener('pointercancel', released, true);
chrome.storage.onChanged.addListener((changes, area) => {
  if (area === 'session' && 'grants' in changes && sure === null) void refresh();
});
void refresh();
