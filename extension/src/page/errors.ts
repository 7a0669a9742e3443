// The whole of what a page can learn from a failure. One text each, whatever the reason was.
import type { Failure } from '../protocol/internal';

export function errorFor(failure: Failure): DOMException {
  switch (failure) {
    case 'none':
      return new DOMException('No device was chosen.', 'NotFoundError');
    case 'unreachable':
      return new DOMException('The device cannot be reached.', 'NetworkError');
    case 'gone':
      return new DOMException('The device is no longer available.', 'InvalidStateError');
    case 'denied':
      return new DOMException('The device did not allow this.', 'NotAllowedError');
  }
}
