// The control page, as the toolbar's popup and in a tab: which devices, which web services, since
// when, last used, take it back.
import type { Grant } from '../protocol/agent';
import type { AgentStatus, HomeMessage, HomeState } from '../protocol/internal';
import { type Child, byId, h, nameNode, note } from '../ui/dom';
import { icon, typeIcon } from '../ui/icons';
import { originView } from '../ui/origin-view';
import * as names from '../protocol/names';
import type { Provider } from '../protocol/trust';
import { fillTexts, language, text, typeKey } from '../ui/text';
import { holdMark, makeName, siteMark, standingMark } from '../ui/trust-view';
import { type Group, byDevice, bySite } from './groups';
import { howLongAgo, sinceWhen } from './when';

type Tab = 'devices' | 'sites';

let state: HomeState | null = null;
let tab: Tab = 'devices';
let sure: string | null = null; // the grant whose removal is being confirmed

async function ask(message: HomeMessage): Promise<HomeState> {
  return chrome.runtime.sendMessage<HomeMessage, HomeState>(message);
}

async function refresh(): Promise<void> {
  show(await ask({ kind: 'home.state' }));
}

function show(next: HomeState): void {
  state = next;
  draw();
}

function problemOf(agent: AgentStatus): string | null {
  switch (agent.state) {
    case 'connecting':
      return null;
    case 'not_installed':
    case 'not_running':
    case 'too_old':
      return agent.state;
    case 'ready':
      if (!agent.setup.rootInstalled) return 'setup_needed';
      if (agent.setup.restartNeeded) return 'restart_needed';
      return agent.setup.ready ? null : 'setup_needed';
  }
}

function draw(): void {
  if (state === null) return;
  const { agent, grants } = state;
  const problem = problemOf(agent);
  byId('status').replaceChildren(
    ...(problem === null ? [] : [problemView(problem)]),
    ...lateView(state.providers),
  );
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

function problemView(problem: string): HTMLElement {
  const line = note(
    'warn boxed',
    'alert',
    h('b', {}, text(`problem_${problem}`)),
    h('br'),
    text(`help_${problem}`),
  );
  line.id = 'problem';
  line.dataset['problem'] = problem;
  return line;
}

// New requests are refused until such a provider was heard again.
function lateView(providers: readonly Provider[]): HTMLElement[] {
  const late = providers.filter((one) => one.state === names.kStale || one.state === names.kNever);
  if (late.length === 0) return [];
  const line = note(
    'warn boxed',
    'clock',
    h('b', {}, text('problem_metadata_stale')),
    h('br'),
    text('homeStale', late.map((one) => one.name).join(', ')),
  );
  line.id = 'stale';
  return [line];
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

function groupView(group: Group): HTMLElement {
  const { title } = group;
  const head = tab === 'devices' ? deviceHead(title) : siteHead(title);
  return h(
    'section',
    { class: 'card', 'data-testid': tab === 'devices' ? 'device' : 'site', 'data-key': group.key },
    h('div', { class: 'head' }, ...head),
    h('ul', {}, ...group.grants.map(grantView)),
    tab === 'sites' && title.origin !== null ? nearbyView(title.origin) : null,
  );
}

function deviceHead(grant: Grant): Child[] {
  const kind = grant.standing === names.kProven ? '' : makeName(grant);
  return [
    typeIcon(grant.type),
    h(
      'span',
      {},
      h('h2', {}, nameNode(grant.deviceName || text('unnamed'))),
      h('span', { class: 'under' }, h('bdi', {}, kind || text(typeKey('type', grant.type)))),
      standingMark(grant),
    ),
  ];
}

function siteHead(grant: Grant): Child[] {
  const { name } = grant.site;
  return [
    icon(grant.origin === null ? 'home' : 'globe'),
    h(
      'span',
      {},
      name === null ? null : h('h2', {}, nameNode(name)),
      h(name === null ? 'h2' : 'div', {}, whoView(grant)),
      grant.origin === null ? null : siteMark(grant.site),
    ),
  ];
}

function whoView(grant: Grant): HTMLElement {
  return grant.origin === null ? h('span', {}, text('homeOwn')) : originView(grant.origin);
}

function grantView(grant: Grant): HTMLElement {
  const now = Math.floor(Date.now() / 1000);
  const used =
    grant.lastUsed === 0
      ? text('homeNeverUsed')
      : text('homeUsed', howLongAgo(grant.lastUsed, now, language()));
  const times = `${text('homeSince', sinceWhen(grant.created, language()))} · ${used}`;
  const who = grant.origin ?? text('homeOwn');
  const line = tab === 'devices' ? whoView(grant) : nameNode(grant.deviceName || text('unnamed'));
  return h(
    'li',
    { class: 'entry', 'data-testid': 'grant', 'data-grant': grant.id },
    h('span', { class: 'what' }, line, h('span', { class: 'under' }, times), ...stateTags(grant)),
    sure === grant.id ? sureView(grant) : removeButton(grant, who),
  );
}

function stateTags(grant: Grant): HTMLElement[] {
  if (grant.state === 'suspended') return [holdMark(grant)];
  if (grant.state === 'pending') return [h('span', { class: 'tag' }, text('homePending'))];
  return [];
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

// One switch for a site's every port and device: the request rules know no finer.
function nearbyView(origin: string): HTMLElement {
  const site = new URL(origin).hostname;
  const id = `nearby-${origin}`;
  const box = h('input', { id, type: 'checkbox', role: 'switch', 'data-testid': 'nearby' });
  box.checked = state?.nearby.includes(site) === true;
  box.setAttribute('aria-describedby', `${id}-help`);
  box.addEventListener('change', () => {
    void ask({ kind: 'home.nearby', site, allowed: box.checked }).then(show);
  });
  return h(
    'div',
    { class: 'nearby' },
    h('label', { for: id }, box, h('span', {}, text('homeNearby'))),
    h('p', { id: `${id}-help`, class: 'under' }, text('homeNearbyHelp')),
  );
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
openTab.append(text('homeOpenTab'), icon('open'));
openTab.addEventListener('click', () => {
  void chrome.tabs.create({ url: chrome.runtime.getURL('home.html#tab') }).then(() => {
    window.close();
  });
});
for (const one of ['devices', 'sites'] as const) {
  byId(`tab-${one}`).addEventListener('click', () => {
    choose(one);
  });
}
chrome.storage.onChanged.addListener((changes, area) => {
  if (area === 'session' && 'grants' in changes && sure === null) void refresh();
});
void refresh();
