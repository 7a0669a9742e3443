// "Look nearby" under the list of devices: by the browser's Bluetooth; where it has none, the agent's.
import * as names from '../protocol/names';
import { h, note } from '../ui/dom';
import { icon } from '../ui/icons';
import { text } from '../ui/text';
import type { Nearby, NearbyTrouble } from './flow';
import { type Doing, button } from './screens';

export interface NearbyPart {
  readonly node: HTMLElement;
  readonly update: (nearby: Nearby) => void;
}

// `moved`: the button was pressed before, in another window.
export function lookNearby(moved: boolean, doing: Doing): NearbyPart {
  const look = button('nearby', 'nearbyLook', '', () => {
    doing.lookNearby();
  });
  look.prepend(icon('bluetooth'));
  const help = h('p', { class: 'quiet', id: 'nearby-help' }, text(moved ? 'nearbyAgain' : 'nearbyHelp'));
  look.setAttribute('aria-describedby', 'nearby-help');
  const said = h('div', { class: 'trouble', id: 'nearby-said', role: 'status' });
  const node = h('div', { class: 'nearby' }, look, help, said);
  let shown = '';
  return {
    node,
    update: ({ state, trouble }) => {
      look.disabled = state === 'choosing' || state === 'connecting' || state === 'searching';
      const now = `${state} ${trouble ?? ''}`;
      if (now === shown) return;
      shown = now;
      help.hidden = state === 'connecting' || state === 'searching' || trouble !== null;
      if (state === 'connecting') said.replaceChildren(note('quiet', 'bluetooth', text('nearbyConnecting')));
      else if (state === 'searching') said.replaceChildren(note('quiet', 'bluetooth', text('nearbySearching')));
      else if (trouble !== null) said.replaceChildren(note('warn boxed', 'alert', troubleText(trouble)));
      else said.replaceChildren();
    },
  };
}

function troubleText(trouble: NearbyTrouble): string {
  if (trouble === 'off') return text('nearbyOff');
  if (trouble === names.kWindowClosed) return text('nearbyClosed');
  return text(trouble === names.kUnsupported ? 'nearbyOther' : 'nearbyLost');
}
