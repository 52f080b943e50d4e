// `mxc://` addresses (Matrix spec, "Matrix Content (mxc://) URIs"): who sends one decides what stands in it.
import { BridgeError } from '../../model/errors.ts';
import type { MediaUri } from '../../model/media.ts';

const pattern = /^mxc:\/\/((?:[A-Za-z0-9][A-Za-z0-9.-]{0,254}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?)\/([\w-]{1,255})$/;

export function isMediaUri(text: string): text is MediaUri {
  return pattern.test(text);
}

/** Returns what goes into the path of a request, which then cannot lead anywhere else. Throws BridgeError `media.refused`. */
export function partsOf(uri: MediaUri): { readonly server: string; readonly media: string } {
  const [, server, media] = pattern.exec(uri) ?? [];
  if (server === undefined || media === undefined) {
    throw new BridgeError('media.refused', 'the address of a file is not a Matrix media address', {
      userText: 'The address of the file is not one of Matrix.',
    });
  }
  return { server, media };
}
