// The state "network": a device without one is told the home's Wi-Fi, over the connection that its
// code has sealed. What is typed goes to the device and is kept nowhere.
import type { Question } from '../protocol/internal';
import { kMaxPsk, kMaxSsid } from '../protocol/internal';
import { h, note } from '../ui/dom';
import { icon } from '../ui/icons';
import { rich, text } from '../ui/text';
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
} from './screens';

function field(id: string, type: 'text' | 'password', max: number): HTMLInputElement {
  return h('input', {
    id,
    'data-testid': id,
    type,
    name: id,
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    maxlength: String(max),
    class: 'long',
    'aria-describedby': 'wifi-where wifi-trouble',
  });
}

export function wifi(first: Of<'network'>, question: Question | null, doing: Doing): Screen {
  const name = field('wifi-name', 'text', kMaxSsid);
  const password = field('wifi-password', 'password', kMaxPsk);
  const show = h('input', { type: 'checkbox', id: 'wifi-show' });
  show.addEventListener('change', () => {
    password.type = show.checked ? 'text' : 'password';
  });
  const trouble = h('div', { id: 'wifi-trouble', class: 'trouble', role: 'alert' });
  let busy = false;
  const send = (): void => {
    if (busy || name.value.trim() === '') return;
    doing.act({ kind: 'wifi', ssid: name.value, psk: password.value });
  };
  const go = button('continue', 'continue', 'primary', send);
  const skip = button('wifi-skip', 'wifiSkip', '', () => {
    doing.act({ kind: 'wifi', ssid: null, psk: '' });
  });
  skip.className = 'link';
  const look = (): void => {
    go.disabled = busy || name.value.trim() === '';
    go.textContent = text(busy ? 'wifiJoining' : 'continue');
    skip.disabled = busy;
  };
  for (const input of [name, password]) {
    input.addEventListener('input', look);
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && event.isTrusted && !event.isComposing) send();
    });
  }
  let tries = -1;
  const update = (view: View): void => {
    if (view.state !== 'network') return;
    busy = view.busy;
    name.readOnly = busy;
    password.readOnly = busy;
    password.setAttribute('aria-invalid', String(view.trouble === 'refused'));
    if (view.tries !== tries || view.trouble === 'none') {
      trouble.replaceChildren(
        ...(view.trouble === 'refused' ? [note('warn boxed', 'alert', text('wifiRefused'))] : []),
      );
      if (view.tries > 0 && view.tries !== tries) {
        password.focus();
        password.select();
      }
      tries = view.tries;
    }
    look();
  };
  update(first);
  return {
    body: [
      single(icon('wave'), ''),
      heading(rich('wifiTitle', deviceName(first.device))),
      h('p', { id: 'wifi-where', class: 'quiet' }, text('wifiWhere')),
      h(
        'div',
        { class: 'field wifi' },
        h('label', { for: 'wifi-name' }, text('wifiName')),
        name,
        h('label', { for: 'wifi-password' }, text('wifiPassword')),
        password,
        h('label', { class: 'show', for: 'wifi-show' }, show, text('wifiShow')),
        trouble,
      ),
      note('info', 'info', text('wifiWhy')),
      skip,
    ],
    buttons: [denyButton(question, doing), go],
    focus: name,
    update,
  };
}
