// navigator.localDevices, in the page's own world. Holds no secret and decides nothing: everything
// it is given the page may know, and everything it asks is checked elsewhere.
import { Bridge } from './bridge';
import { makeLocalDevices } from './devices';

if (
  isSecureContext &&
  window === window.top &&
  self.origin !== 'null' && // a sandboxed document: nobody would answer it
  !('localDevices' in navigator)
) {
  const localDevices = makeLocalDevices(new Bridge(window), window);
  Object.defineProperty(Navigator.prototype, 'localDevices', {
    configurable: true,
    enumerable: true,
    get: () => localDevices,
  });
}
