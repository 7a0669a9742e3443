// The state "looking": the live list of devices. Rows are only ever added at the end, and one that
// went away keeps its place: nothing moves under a finger.
import type { Question } from '../protocol/internal';
import * as names from '../protocol/names';
import { h, nameNode, note } from '../ui/dom';
import { icon, typeIcon } from '../ui/icons';
import { siteView } from '../ui/origin-view';
import { rich, text, typeKey } from '../ui/text';
import { makeName, standingMark } from '../ui/trust-view';
import { type Row, type View, kSettleMs, mayPick } from './flow';
import { lookNearby } from './nearby-part';
import { type Doing, type Screen, button, denyButton, heading } from './screens';

const kQuietAfterMs = 5000;

type Looking = Extract<View, { state: 'looking' }>;

export function deviceList(first: Looking, question: Question | null, doing: Doing): Screen {
  const where = h('p', { class: 'where', id: 'where' });
  const list = h('ul', { id: 'device-list', 'data-testid': 'device-list' });
  list.setAttribute('aria-label', text('devicesLabel'));
  const empty = h('div', { class: 'waiting', id: 'empty' }, icon('wave'));
  const nearby = lookNearby(question?.moved === true, doing);
  const deny = denyButton(question, doing);
  const go = button('continue', 'continue', 'primary', () => {
    doing.act({ kind: 'continue' });
  });

  let current = first;
  let quiet = false;
  const drawn = new Map<string, { readonly look: string; readonly item: HTMLLIElement }>();
  const update = (view: View): void => {
    if (view.state !== 'looking') return;
    current = view;
    showWhere(where, view.available);
    for (const [key, { item }] of drawn) {
      if (view.rows.some((row) => row.key === key)) continue;
      item.remove();
      drawn.delete(key);
    }
    for (const row of view.rows) drawRow(list, drawn, row, doing);
    for (const [key, { item }] of drawn) {
      const radio = item.querySelector('input');
      if (radio !== null) radio.checked = key === view.selected;
    }
    empty.hidden = view.rows.length > 0;
    list.hidden = view.rows.length === 0;
    if (view.rows.length === 0 && quiet) showEmpty(empty, view.available);
    nearby.update(view.nearby);
    // Where this is the first thing to agree to, main.ts keeps it shut until it was seen.
    const ready = view.selected !== null && !view.busy;
    go.dataset['ready'] = String(ready);
    if (!ready || question?.origin !== null) go.disabled = !ready;
    go.textContent = text(view.busy ? 'checking' : 'continue');
  };
  update(first);
  setTimeout(() => {
    doing.act({ kind: 'settled' });
  }, kSettleMs);
  setTimeout(() => {
    quiet = true;
    update(current);
  }, kQuietAfterMs);

  const title =
    question === null
      ? ''
      : question.origin === null
        ? text('addTitle')
        : rich('lookingTitle', siteView(question.origin));
  return {
    body: [heading(title), where, empty, list, nearby.node],
    buttons: [deny, go],
    focus: null,
    update,
  };
}

function showWhere(where: HTMLElement, available: boolean): void {
  const state = available ? 'on' : 'off';
  if (where.dataset['state'] === state) return;
  where.dataset['state'] = state;
  where.replaceChildren(
    icon(available ? 'wave' : 'away'),
    text(available ? 'lookingOn' : 'lookingOff'),
  );
}

function showEmpty(empty: HTMLElement, available: boolean): void {
  if (empty.className === 'empty') return;
  empty.className = 'empty';
  const tips = available ? ['emptyOn', 'emptyWifi', 'emptyWait'] : ['emptyOff', 'emptyOn'];
  empty.replaceChildren(
    h('b', {}, text('emptyTitle')),
    h('ul', {}, ...tips.map((key) => h('li', {}, text(key)))),
  );
}

function drawRow(
  list: HTMLElement,
  drawn: Map<string, { readonly look: string; readonly item: HTMLLIElement }>,
  row: Row,
  doing: Doing,
): void {
  const look = JSON.stringify(row);
  const before = drawn.get(row.key);
  if (before?.look === look) return;
  const focused = before?.item.contains(document.activeElement) === true;
  const item = h('li', { 'data-key': row.key, 'data-testid': 'device' }, rowLabel(row, doing));
  drawn.set(row.key, { look, item });
  if (before === undefined) list.append(item);
  else before.item.replaceWith(item);
  if (focused) item.querySelector('input')?.focus();
}

function rowLabel(row: Row, doing: Doing): HTMLLabelElement {
  const radio = h('input', { type: 'radio', name: 'device', value: row.key });
  radio.disabled = !mayPick(row);
  radio.addEventListener('change', () => {
    doing.act({ kind: 'select', key: row.key });
  });
  const title = h(
    'span',
    {},
    h('span', { class: 'title' }, nameNode(row.name || text(row.nearby === null ? 'unnamed' : 'nearbyRow'))),
    h('br'),
    h('span', { class: 'under' }, underName(row)),
  );
  const tag = h(
    'span',
    { class: row.known ? 'tag yours' : 'tag' },
    text(row.known ? 'tagYours' : 'tagNew'),
  );
  const label = h(
    'label',
    { class: mayPick(row) ? 'row' : row.away ? 'row away' : 'row barred' },
    radio,
    typeIcon(row.type),
    title,
    tag,
  );
  label.append(h('span', { class: 'more' }, ...rowNotes(row)));
  return label;
}

// What is proven says so; what a device says of itself does not stand in the same place.
function underName(row: Row): Node {
  const proven = row.standing === names.kProven ? standingMark(row) : null;
  return proven ?? h('bdi', {}, makeName(row) || text(typeKey('type', row.type)));
}

function rowNotes(row: Row): HTMLElement[] {
  if (row.away) return [note('', 'away', text('rowAway'))];
  const notes: HTMLElement[] = [];
  if (row.sameName) notes.push(note('warn boxed', 'alert', text('sameName')));
  if (row.standing === names.kRevoked) {
    notes.push(note('bad boxed', 'stop', text('deviceRevoked')));
    return notes;
  }
  if (row.nearby !== null) notes.push(note('', 'bluetooth', text('rowNearby')));
  if (!row.known && row.standing === names.kUnattested) {
    notes.push(note('', 'proven', text('checkedLater')));
  } else if (row.standing !== names.kProven && !(row.known && row.standing === names.kNone)) {
    notes.push(note('', 'unknown', text('unproven')));
  }
  if (!row.known && !row.windowOpen) notes.push(note('', 'info', text('pressButton')));
  return notes;
}
