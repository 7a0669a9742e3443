// What each state of the consent window looks like. A screen is made once when its state begins and
// updated while it lasts, so that focus, selection and scroll stay where they are.
import type { Device } from '../protocol/agent';
import type { Question } from '../protocol/internal';
import * as names from '../protocol/names';
import { type SignInAsk, issuerOrigin } from '../protocol/sign-in';
import { type Site, kNoSite } from '../protocol/trust';
import { h, nameNode, note } from '../ui/dom';
import { icon, typeIcon } from '../ui/icons';
import { originParts } from '../ui/origin';
import { hostView, originView, siteView } from '../ui/origin-view';
import { rich, text, typeKey } from '../ui/text';
import { siteMark, standingNote } from '../ui/trust-view';
import { doneAdding, name } from './add-screens';
import type { Act, Flow, View } from './flow';
import { deviceList } from './list-screen';
import { problem } from './problem-screen';
import { sending } from './sending';
import { wifi } from './wifi-screen';

export interface Doing {
  visit(): void;
  act(what: Act): void;
  lookNearby(): void;
  refuse(): void;
  close(): void;
}

export interface Screen {
  readonly body: readonly Node[];
  readonly buttons: readonly HTMLButtonElement[];
  readonly focus: HTMLElement | null; // null: the heading
  update(view: View): void;
}

export type Of<S extends View['state']> = Extract<View, { state: S }>;

export function heading(content: Node | string): HTMLElement {
  return h('h1', { tabindex: '-1' }, content);
}

export function button(
  id: string,
  key: string,
  kind: '' | 'primary',
  click: () => void,
): HTMLButtonElement {
  const made = h('button', { id, type: 'button', class: kind, 'data-testid': id }, text(key));
  made.addEventListener('click', (event) => {
    if (event.isTrusted) click();
  });
  return made;
}

// Whoever asked is refused; where nobody asked, there is only something to stop.
export function denyButton(question: Question | null, doing: Doing): HTMLButtonElement {
  return button('deny', question?.origin === null ? 'cancel' : 'deny', '', () => {
    doing.refuse();
  });
}

export function tiles(left: SVGElement, right: SVGElement, kind = '', joined = false): HTMLElement {
  return h(
    'div',
    { class: 'pair', 'aria-hidden': 'true' },
    h('span', { class: `tile ${kind}` }, left),
    h('span', { class: joined ? 'dots joined' : 'dots' }),
    h('span', { class: `tile ${kind}` }, right),
  );
}

export function single(tile: SVGElement, kind: string): HTMLElement {
  return h(
    'div',
    { class: 'pair', 'aria-hidden': 'true' },
    h('span', { class: `tile ${kind}` }, tile),
  );
}

// In a sentence. Over Bluetooth a device says its name only once its code was right.
export function deviceName(device: Device): HTMLElement {
  const nameless = device.nearby === null ? 'unnamed' : 'nearbyDevice';
  const node = nameNode(device.name || text(nameless));
  return h('b', {}, node);
}

export function makeScreen(flow: Flow, doing: Doing): Screen {
  const screen = screenOf(flow, doing);
  const { verdict, view } = flow;
  const quiet = view.state === 'asking' || view.state === 'problem' || view.state === 'over';
  if (verdict?.consented !== true || quiet) return screen;
  // Nobody asked the person, so they are told who decided.
  const line = note('quiet', 'info', text('consentedHere'));
  line.id = 'consented';
  const body = screen.body.flatMap((node) =>
    node instanceof HTMLHeadingElement ? [node, line] : [node],
  );
  return { ...screen, body };
}

function screenOf(flow: Flow, doing: Doing): Screen {
  const { view, question, verdict } = flow;
  switch (view.state) {
    case 'asking':
      return asking(view, flow, doing);
    case 'looking':
      return deviceList(view, question, doing);
    case 'name':
      return name(view, question, doing);
    case 'code':
      return code(view, question, doing);
    case 'working':
      return working(view, question, doing);
    case 'network':
      return wifi(view, question, doing);
    case 'done':
      return view.url === null ? done(view, question, doing) : doneAdding(view, view.url, doing);
    case 'problem':
      return problem(view, question, verdict, doing);
    case 'over':
      return {
        body: [heading(text('overTitle')), h('p', {}, text('overHelp'))],
        buttons: [
          button('close', 'close', 'primary', () => {
            doing.close();
          }),
        ],
        focus: null,
        update: () => undefined,
      };
  }
}

function asking(first: Of<'asking'>, { question, verdict }: Flow, doing: Doing): Screen {
  const deny = denyButton(question, doing);
  const allow = button('allow', 'allow', 'primary', () => {
    doing.act({ kind: 'allow' });
  });
  allow.disabled = true;
  // Enter never means allow here: only a click, a touch or the space bar on the button itself.
  allow.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') event.preventDefault();
  });
  allow.dataset['ready'] = String(first.ready);
  const screen = {
    buttons: [deny, allow],
    focus: null,
    update: (view: View) => {
      if (view.state === 'asking') allow.dataset['ready'] = String(view.ready);
    },
  };
  const origin = question?.origin ?? null;
  const parts = origin === null ? null : originParts(origin);
  if (question === null || origin === null || parts === null) {
    return { ...screen, body: [h('p', { class: 'quiet' }, text('starting'))] };
  }
  const type = question.types[0] ?? 'other';
  const site = verdict?.site ?? kNoSite;
  const title = site.name === null ? siteView(origin) : h('b', {}, nameNode(site.name));
  const notes = h('div', { class: 'notes' });
  for (const each of question.types) notes.append(note('good', 'yes', text(typeKey('can', each))));
  if (question.sso !== null) notes.append(...signInNotes(question.sso));
  notes.append(note('', 'no', text('cannot')));
  if (question.localNetwork === 'denied') {
    notes.append(note('warn boxed', 'alert', text('browserRefuses')));
  } else if (question.localNetwork !== 'granted') {
    notes.append(note('info', 'info', text('browserAsks')));
  }
  return {
    ...screen,
    body: [
      tiles(icon('globe'), typeIcon(type)),
      heading(rich(typeKey('want', type), title)),
      askerView(origin, site, 'advice'),
      notes,
    ],
  };
}

// The host alone: the person judges whose page they are going to see.
function signInNotes({ issuer }: SignInAsk): HTMLElement[] {
  const origin = issuerOrigin(issuer);
  const host = hostView(origin);
  const line = note('', 'person', rich('signInWith', host));
  // A full stop does not stand on a line of its own below a host that fills the one before.
  const { nextSibling } = host;
  if (nextSibling?.nodeValue === '.') host.append(nextSibling);
  line.id = 'sign-in-with';
  const strange = originParts(origin)?.unusual === true;
  return strange ? [line, note('warn boxed', 'alert', text('signInUnusual'))] : [line];
}

// The address is always there, whatever name somebody registered for it.
export function askerView(origin: string, site: Site, advice: 'advice' | 'none'): HTMLElement {
  const asker = h(
    'div',
    { class: 'asker', 'data-testid': 'asker', 'data-site': site.state },
    siteMark(site),
    h('span', { class: 'caption' }, text('webAddress')),
    originView(origin),
  );
  if (originParts(origin)?.unusual === true) {
    asker.append(note('warn boxed', 'alert', text('siteUnusual')));
  }
  if (advice === 'none') return asker;
  if (site.state === names.kNone) {
    asker.append(h('span', { class: 'caption' }, text('siteUnknown')));
  } else if (site.state === names.kUnregistered) {
    asker.append(h('span', { class: 'caption' }, text('siteUnregistered')));
  }
  return asker;
}

function code(first: Of<'code'>, question: Question | null, doing: Doing): Screen {
  const long = first.code.kind === names.kKey128;
  const input = h('input', {
    id: 'code',
    'data-testid': 'code',
    type: 'text',
    name: 'code',
    autocomplete: 'off',
    autocapitalize: long ? 'characters' : 'off',
    spellcheck: 'false',
    inputmode: long ? 'text' : 'numeric',
    maxlength: '400',
    class: long ? 'long' : '',
    'aria-describedby': 'code-where code-trouble',
  });
  const trouble = h('div', { id: 'code-trouble', class: 'trouble', role: 'alert' });
  const deny = denyButton(question, doing);
  const { go, gate } = sending(input, (typed) => {
    doing.act({ kind: 'submit', text: typed });
  });
  let tries = -1;
  const update = (view: View): void => {
    if (view.state !== 'code') return;
    input.setAttribute('aria-invalid', String(view.trouble !== 'none'));
    if (view.tries !== tries || view.trouble === 'none') {
      trouble.replaceChildren(...codeTrouble(view));
      if (view.tries > 0 && view.tries !== tries) {
        input.focus();
        input.select();
      }
      tries = view.tries;
    }
    gate(view.busy);
  };
  update(first);
  const where = text(long ? 'codeWhereKey' : 'codeWhere');
  return {
    body: [
      single(typeIcon(first.device.type), ''),
      heading(rich('codeTitle', deviceName(first.device))),
      h('p', { id: 'code-where', class: 'quiet' }, where),
      h('div', { class: 'field' }, h('label', { for: 'code' }, text('codeLabel')), input, trouble),
      ...(first.host === null
        ? []
        : [note('quiet', 'key', rich('codeOnly', h('b', { class: 'host' }, first.host)))]),
      note('info', 'info', text('codeWhy')),
      ...(first.device.standing === names.kUnattested && !first.device.known
        ? [note('quiet', 'proven', text('codeThenChecked'))]
        : []),
    ],
    buttons: [deny, go],
    focus: input,
    update,
  };
}

function codeTrouble(view: Of<'code'>): Node[] {
  switch (view.trouble) {
    case 'none':
      return [];
    case 'shape':
      return [note('warn boxed', 'alert', text('codeShape'))];
    case 'wrong': {
      const { kind, left } = view.code;
      const counted = kind === names.kDigits8;
      const tail = !counted
        ? ''
        : left === 1
          ? text('codeLeftOne')
          : text('codeLeftMany', String(left));
      return [note('warn boxed', 'alert', `${text('codeWrong')} ${tail}`.trim())];
    }
  }
}

function working(first: Of<'working'>, question: Question | null, doing: Doing): Screen {
  const order = [names.kCheck, names.kIssue, names.kTry] as const;
  const items = order.map((step) => {
    const item = h(
      'li',
      { 'data-step': step },
      h('span', { class: 'mark', 'aria-hidden': 'true' }, icon('yes')),
      h('span', {}, text(`step_${step}`)),
      h('span', { class: 'said' }),
    );
    return { step, item };
  });
  // Has its room from the start, so that nothing jumps when it is filled.
  const wait = h('p', { class: 'note quiet', id: 'waiting', role: 'status' });
  const found = h('div', { class: 'found', id: 'found', 'aria-live': 'polite' });
  const update = (view: View): void => {
    if (view.state !== 'working') return;
    if (view.make !== null && found.childElementCount === 0) {
      found.append(standingNote(view.make) ?? '');
    }
    wait.hidden = !view.waiting;
    if (view.waiting) wait.textContent = text('waitingForNetwork');
    for (const { step, item } of items) {
      const state = view.steps[step];
      item.dataset['state'] = state;
      const said = item.querySelector('.said');
      if (said !== null) said.textContent = state === 'done' ? text('stepDone') : '';
    }
  };
  update(first);
  // Keeps "Don't allow" where it was.
  const placeholder = button('continue', 'checking', 'primary', () => undefined);
  placeholder.disabled = true;
  return {
    body: [
      tiles(icon('key'), typeIcon(first.device.type)),
      heading(rich('workingTitle', deviceName(first.device))),
      h(
        'ol',
        { class: 'steps', id: 'steps', 'aria-live': 'polite' },
        ...items.map((one) => one.item),
      ),
      wait,
      found,
    ],
    buttons: [denyButton(question, doing), placeholder],
    focus: null,
    update,
  };
}

function done(view: Of<'done'>, question: Question | null, doing: Doing): Screen {
  const origin = question?.origin ?? '';
  const name = h('b', {}, nameNode(view.deviceName || text('unnamed')));
  const notes = h('div', { class: 'notes' }, standingNote(view.make));
  if (question?.localNetwork !== 'granted') notes.append(note('info', 'info', text('browserAsks')));
  for (const warning of view.warnings) notes.append(note('warn boxed', 'alert', warning));
  notes.append(note('', 'home', text('doneChange')));
  return {
    body: [
      tiles(icon('globe'), typeIcon(question?.types[0] ?? 'other'), 'good', true),
      heading(rich('doneTitle', siteView(origin), name)),
      notes,
    ],
    buttons: [
      button('close', 'close', 'primary', () => {
        doing.close();
      }),
    ],
    focus: null,
    update: () => undefined,
  };
}
