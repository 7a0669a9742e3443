// The state "problem": what happened, what to do, and where nothing can be done, who decided.
import type { Question } from '../protocol/internal';
import * as names from '../protocol/names';
import { type Verdict, kNoSite } from '../protocol/trust';
import { h, nameNode, note } from '../ui/dom';
import { type IconName, icon } from '../ui/icons';
import { rich, text } from '../ui/text';
import type { Problem } from './flow';
import {
  type Doing,
  type Of,
  type Screen,
  askerView,
  button,
  deviceName,
  heading,
  single,
} from './screens';

interface Look {
  readonly drawing: IconName;
  readonly tile: 'warn' | 'bad';
}

// A pause is not a ban, and neither looks like something that merely went wrong.
const kWrong: Look = { drawing: 'alert', tile: 'warn' };
const kLooks: Partial<Record<Problem, Look>> = {
  origin_suspended: { drawing: 'pause', tile: 'warn' },
  [names.kOriginRevoked]: { drawing: 'stop', tile: 'bad' },
  [names.kDeviceRevoked]: { drawing: 'stop', tile: 'bad' },
  [names.kNotAllowed]: { drawing: 'no', tile: 'bad' },
  [names.kMetadataStale]: { drawing: 'clock', tile: 'warn' },
};

export function problem(
  view: Of<'problem'>,
  question: Question | null,
  verdict: Verdict | null,
  doing: Doing,
): Screen {
  const stopped = view.again === 'never';
  const { drawing, tile } = kLooks[view.problem] ?? kWrong;
  const named = (key: string): Node =>
    view.device === null || (view.device.name === '' && view.device.nearby === names.kLinked)
      ? document.createTextNode(text(key))
      : deviceName(view.device);
  const close = button('close', 'close', stopped ? 'primary' : '', () => {
    doing.close();
  });
  const again = button('again', 'again', 'primary', () => {
    doing.act({ kind: 'again' });
  });
  const site = verdict?.site ?? kNoSite;
  const aboutSite = view.problem === 'origin_suspended' || view.problem === names.kOriginRevoked;
  return {
    body: [
      single(icon(drawing), tile),
      heading(rich(`problem_${view.problem}`, named('theDeviceStart'))),
      h('p', { id: 'help' }, rich(`help_${view.problem}`, named('theDevice'))),
      ...(stopped && question !== null && question.origin !== null
        ? [askerView(question.origin, aboutSite ? site : kNoSite, 'none')]
        : []),
      ...(aboutSite && site.provider !== null
        ? [note('quiet', 'info', rich('saidBy', nameNode(site.provider)))]
        : []),
      details(view.problem, verdict?.allowed === false ? verdict.message : null),
    ],
    buttons: stopped ? [close] : [close, again],
    focus: null,
    update: () => undefined,
  };
}

function details(problem: Problem, message: string | null): HTMLElement {
  return h(
    'details',
    { id: 'details', 'data-testid': 'details' },
    h('summary', {}, text('details')),
    h('p', {}, rich('detailsCode', h('code', { id: 'error-code' }, problem))),
    message === null ? null : h('p', {}, h('bdi', {}, message)),
  );
}
