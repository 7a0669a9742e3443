// What the page shows, as elements: a card for each device or web service, an entry for each of the
// other that goes with it. What happens on a click is the page's business (Actions).
import type { Grant } from '../protocol/agent';
import type { Details, GrantAction, OwnDevice } from '../protocol/control';
import type { People } from '../protocol/people';
import { h, nameNode } from '../ui/dom';
import {
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
import type { Group } from '../ui/groups';
import { language, text } from '../ui/text';
import { sinceWhen } from '../ui/when';
import { detailsView } from './details-view';
import { peopleView } from './people-view';

export type Tab = 'devices' | 'sites';

// What is open, asked or under way, by the id of its button's subject.
export interface Look {
  readonly tab: Tab;
  readonly sure: string | null; // "remove-<grant>" or "forget-<device>"
  readonly busy: ReadonlySet<string>;
  readonly open: ReadonlySet<string>;
  readonly details: ReadonlyMap<string, Details>;
  readonly people: ReadonlyMap<string, People | undefined>; // of the devices whose fold is open
  readonly devices: readonly OwnDevice[];
  readonly nearby: readonly string[];
}

export interface Actions {
  readonly act: (action: GrantAction, grant: Grant) => void;
  readonly toggle: (grant: Grant) => void;
  readonly forget: (device: string) => void;
  readonly people: (device: string) => void; // unfolds who else uses it, or folds it
  readonly ask: (sure: string | null, focus: string) => void; // "for good?", or never mind
  readonly allowNearby: (site: string, allowed: boolean) => void;
}

export function cardView(group: Group, look: Look, actions: Actions): HTMLElement {
  const { title } = group;
  const site = look.tab === 'sites';
  return h(
    'section',
    { class: 'card', 'data-testid': site ? 'site' : 'device', 'data-key': group.key },
    h(
      'div',
      { class: 'head' },
      ...(site ? siteHead(title) : deviceHead(title)),
      site ? null : peopleButton(group, look, actions),
      site ? null : forgetButton(group, look, actions),
    ),
    site ? null : boundSince(group, look),
    !site && look.people.has(group.key)
      ? peopleView(look.people.get(group.key), `people-fold-${group.key}`)
      : null,
    look.sure === `forget-${group.key}` ? forgetSure(group, look, actions) : null,
    h('ul', {}, ...group.grants.map((grant) => entryView(grant, look, actions))),
    site && title.origin !== null
      ? nearbyView(title.origin, look.nearby, actions.allowNearby)
      : null,
  );
}

function boundSince(group: Group, look: Look): HTMLElement | null {
  const known = look.devices.find((one) => one.id === group.key);
  if (known === undefined || known.since === 0) return null;
  return h('p', { class: 'under bound' }, text('homeSince', sinceWhen(known.since, language())));
}

function entryView(grant: Grant, look: Look, actions: Actions): HTMLElement {
  const line = look.tab === 'devices' ? whoView(grant) : nameNode(deviceTitle(grant));
  const open = look.open.has(grant.id);
  return h(
    'li',
    { class: 'entry', 'data-testid': 'grant', 'data-grant': grant.id, 'data-state': grant.state },
    h(
      'div',
      { class: 'what' },
      h('h3', {}, line),
      addressView(grant),
      h('span', { class: 'under' }, timesText(grant)),
      ...stateTags(grant),
    ),
    look.sure === `remove-${grant.id}`
      ? removeSure(grant, look, actions)
      : buttons(grant, look, actions),
    open ? detailsView(grant, look, actions) : null,
  );
}

export interface ButtonShape {
  readonly id: string;
  readonly words: string;
  readonly label: string; // begins with the words, so that speaking them finds it
  readonly kind?: string;
  readonly busy: boolean;
  readonly onClick: () => void;
}

export function button(shape: ButtonShape): HTMLButtonElement {
  const { id, words, label, kind, busy, onClick } = shape;
  const made = h(
    'button',
    {
      id,
      type: 'button',
      class: `small ${kind ?? ''}`.trim(),
      'aria-label': label,
      'data-testid': id.replace(/-[0-9a-f]{32,64}$/, ''),
    },
    words,
  );
  // Not `disabled`: that would throw the focus away.
  if (busy) made.setAttribute('aria-disabled', 'true');
  made.addEventListener('click', () => {
    if (!busy) onClick();
  });
  return made;
}

function buttons(grant: Grant, look: Look, actions: Actions): HTMLElement {
  const who = whoText(grant);
  const device = deviceTitle(grant);
  const busy = look.busy.has(grant.id);
  const line = h('div', { class: 'buttons' });
  if (mayPause(grant)) {
    const [action, words] = grant.paused
      ? (['resume', 'controlResume'] as const)
      : (['pause', 'controlPause'] as const);
    line.append(
      button({
        id: `pause-${grant.id}`,
        words: text(words),
        label: text(`${words}Label`, who, device),
        busy,
        onClick: () => {
          actions.act(action, grant);
        },
      }),
    );
  }
  line.append(
    button({
      id: `remove-${grant.id}`,
      words: text('homeRemove'),
      label: text('homeRemoveLabel', who, device),
      busy,
      onClick: () => {
        actions.ask(`remove-${grant.id}`, `confirm-${grant.id}`);
      },
    }),
    detailsButton(grant, look, actions),
  );
  return line;
}

// What has not begun or has ended for good is not paused.
function mayPause(grant: Grant): boolean {
  return (
    grant.state === 'active' || (grant.state === 'suspended' && grant.hold !== 'device_reset')
  );
}

function detailsButton(grant: Grant, look: Look, actions: Actions): HTMLElement {
  const made = button({
    id: `details-${grant.id}`,
    words: text('controlDetails'),
    label: text('controlDetailsLabel', whoText(grant), deviceTitle(grant)),
    kind: 'plain',
    busy: false,
    onClick: () => {
      actions.toggle(grant);
    },
  });
  made.setAttribute('aria-expanded', String(look.open.has(grant.id)));
  if (look.open.has(grant.id)) made.setAttribute('aria-controls', `fold-${grant.id}`);
  return made;
}

function sureView(words: Node, ...controls: readonly HTMLElement[]): HTMLElement {
  return h('div', { class: 'sure' }, h('b', {}, words), ...controls);
}

function keepButton(id: string, back: string, actions: Actions): HTMLElement {
  return button({
    id,
    words: text('homeKeep'),
    label: text('homeKeep'),
    busy: false,
    onClick: () => {
      actions.ask(null, back);
    },
  });
}

function removeSure(grant: Grant, look: Look, actions: Actions): HTMLElement {
  const words = text('controlRemoveSure', whoText(grant));
  return sureView(
    document.createTextNode(words),
    keepButton(`keep-${grant.id}`, `remove-${grant.id}`, actions),
    button({
      id: `confirm-${grant.id}`,
      words: text('homeRemove'),
      label: `${text('homeRemove')}: ${words}`,
      kind: 'danger',
      busy: look.busy.has(grant.id),
      onClick: () => {
        actions.act('remove', grant);
      },
    }),
  );
}

function peopleButton(group: Group, look: Look, actions: Actions): HTMLElement {
  const made = button({
    id: `people-${group.key}`,
    words: text('peopleAsk'),
    label: text('peopleAskLabel', deviceTitle(group.title)),
    kind: 'plain',
    busy: false,
    onClick: () => {
      actions.people(group.key);
    },
  });
  const open = look.people.has(group.key);
  made.setAttribute('aria-expanded', String(open));
  if (open) made.setAttribute('aria-controls', `people-fold-${group.key}`);
  return made;
}

function forgetButton(group: Group, look: Look, actions: Actions): HTMLElement | null {
  if (look.sure === `forget-${group.key}`) return null;
  return button({
    id: `forget-${group.key}`,
    words: text('controlForget'),
    label: text('controlForgetLabel', deviceTitle(group.title)),
    kind: 'plain',
    busy: look.busy.has(group.key),
    onClick: () => {
      actions.ask(`forget-${group.key}`, `confirm-${group.key}`);
    },
  });
}

function forgetSure(group: Group, look: Look, actions: Actions): HTMLElement {
  const words = text('controlForgetSure', deviceTitle(group.title));
  return sureView(
    document.createTextNode(words),
    keepButton(`keep-${group.key}`, `forget-${group.key}`, actions),
    button({
      id: `confirm-${group.key}`,
      words: text('controlForgetDo'),
      label: `${text('controlForgetDo')}: ${words}`,
      kind: 'danger',
      busy: look.busy.has(group.key),
      onClick: () => {
        actions.forget(group.key);
      },
    }),
  );
}
