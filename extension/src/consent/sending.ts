// A field whose text is sent by a button or by Enter: never empty, never while the last one is looked at.
import { text } from '../ui/text';
import { button } from './screens';

export interface Sending {
  readonly go: HTMLButtonElement;
  // What is sent is being looked at, or not.
  readonly gate: (busy: boolean) => void;
}

export function sending(input: HTMLInputElement, send: (typed: string) => void): Sending {
  const submit = (): void => {
    send(input.value);
  };
  const go = button('continue', 'continue', 'primary', submit);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.isTrusted && !event.isComposing) submit();
  });
  let busy = false;
  const look = (): void => {
    go.disabled = busy || input.value.trim() === '';
    go.textContent = text(busy ? 'checking' : 'continue');
  };
  input.addEventListener('input', look);
  return {
    go,
    gate: (now) => {
      busy = now;
      input.readOnly = now;
      look();
    },
  };
}
