// What is in the way of everything: no agent, no set-up, a provider that was not heard for too long.
import type { AgentStatus } from '../protocol/internal';
import * as names from '../protocol/names';
import type { Provider } from '../protocol/trust';
import { h, note } from './dom';
import { text } from './text';

function problemOf(agent: AgentStatus): string | null {
  switch (agent.state) {
    case 'connecting':
      return null;
    case 'not_installed':
    case 'not_running':
    case 'too_old':
    case 'locked_keyring':
    case 'locked_passphrase':
    case 'locked_other':
      return agent.state;
    case 'ready':
      if (!agent.setup.rootInstalled) return 'setup_needed';
      if (agent.setup.restartNeeded) return 'restart_needed';
      return agent.setup.ready ? null : 'setup_needed';
  }
}

export function statusViews(agent: AgentStatus, providers: readonly Provider[]): HTMLElement[] {
  const problem = problemOf(agent);
  return [...(problem === null ? [] : [problemView(problem)]), ...lateView(providers)];
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
