// Reads a QR code off a picture, by a decoder that we did not write.
import { createRequire } from 'node:module';
import type JsQr from 'jsqr';
import { PNG } from 'pngjs';

const { default: jsQr }: { readonly default: typeof JsQr.default } = createRequire(import.meta.url)('jsqr');

/** Returns the bytes that the code holds; throws where there is none. */
export function scan(png: Uint8Array): Buffer {
  const { data, width, height } = PNG.sync.read(Buffer.from(png));
  const code = jsQr(new Uint8ClampedArray(data), width, height);
  if (code === null) throw new Error('there is no QR code in this picture');
  return Buffer.from(code.binaryData);
}
