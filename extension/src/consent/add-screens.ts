// What only adding a device has: its address, and the way there.
import type { Question } from '../protocol/internal';
import * as names from '../protocol/names';
import { h, nameNode, note } from '../ui/dom';
import { icon, typeIcon } from '../ui/icons';
import { rich, text } from '../ui/text';
import { standingNote } from '../ui/trust-view';
import type { View } from './flow';
import {
  type Doing,
  type Of,
  type Screen,
  button,
  denyButton,
  deviceName,
  heading,
  single,
  tiles,
} from './screens';
import { sending } from './sending';

export function name(first: Of<'name'>, question: Question | null, doing: Doing): Screen {
  const input = h('input', {
    id: 'name',
    'data-testid': 'name',
    type: 'text',
    name: 'name',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    inputmode: 'url',
    maxlength: '100',
    'aria-describedby': 'name-where name-trouble',
  });
  const address = h(
    'div',
    { class: 'address', dir: 'ltr' },
    h('span', { 'aria-hidden': 'true' }, 'https://'),
    input,
    h('span', { 'aria-hidden': 'true', id: 'name-end' }, nameEnd(first.proposed)),
  );
  // The whole of it looks like the field, and is.
  address.addEventListener('click', () => {
    input.focus();
  });
  const trouble = h('div', { id: 'name-trouble', class: 'trouble', role: 'alert' });
  const { go, gate } = sending(input, (typed) => {
    doing.act({ kind: 'call', text: typed });
  });
  let tries = -1;
  const update = (view: View): void => {
    if (view.state !== 'name') return;
    if (view.tries !== tries) {
      const again = view.tries > 0;
      input.value = view.proposed.name;
      trouble.replaceChildren(...nameTrouble(view));
      if (again) {
        input.focus();
        input.select();
      }
      tries = view.tries;
    }
    gate(view.busy);
  };
  update(first);
  return {
    body: [
      single(typeIcon(first.device.type), ''),
      heading(rich('nameTitle', deviceName(first.device))),
      h('p', { id: 'name-where', class: 'quiet' }, text('nameWhere')),
      h(
        'div',
        { class: 'field' },
        h('label', { for: 'name' }, text('nameLabel')),
        address,
        trouble,
      ),
      ...(first.device.sameName ? [note('warn boxed', 'alert', text('sameName'))] : []),
    ],
    buttons: [denyButton(question, doing), go],
    focus: input,
    update,
  };
}

// As it is going to be typed: with the port where it is another one than a browser's own.
function nameEnd({ port }: Of<'name'>['proposed']): string {
  return port === null || port === 443 ? '.local' : `.local:${String(port)}`;
}

// That a device's own name is written differently in an address is no news.
function nameTrouble({ proposed, tries }: Of<'name'>): Node[] {
  const { trouble } = proposed;
  if (trouble === null || (tries === 0 && trouble === names.kShape)) return [];
  return [note('warn boxed', 'alert', text(`nameTrouble_${trouble}`))];
}

export function doneAdding(view: Of<'done'>, url: string, doing: Doing): Screen {
  const notes = h('div', { class: 'notes' }, standingNote(view.make));
  for (const warning of view.warnings) notes.append(note('warn boxed', 'alert', warning));
  notes.append(note('info', 'info', text('doneAddWhere')), note('', 'home', text('doneChange')));
  const open = button('open', 'open', 'primary', () => {
    doing.visit();
  });
  return {
    body: [
      tiles(icon('home'), icon('yes'), 'good', true),
      heading(rich('doneAddTitle', h('b', {}, nameNode(view.deviceName || text('unnamed'))))),
      h('p', { class: 'url', id: 'url', dir: 'ltr' }, url),
      notes,
    ],
    buttons: [
      button('close', 'close', '', () => {
        doing.close();
      }),
      open,
    ],
    focus: null,
    update: () => undefined,
  };
}
