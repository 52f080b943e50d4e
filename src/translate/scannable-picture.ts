// A QR code as a picture: black squares on white, for a camera to read.
import { encode as encodePng } from 'fast-png';
import { encode as encodeQr } from 'uqr';

/** Squares of white around the code, as ISO/IEC 18004 asks for. */
const quietZone = 4;
const pixelsPerSquare = 8;

export interface ScannablePicture {
  readonly png: Uint8Array;
  /** Of the picture, which is as wide as it is high, in pixels. */
  readonly side: number;
}

/** Draws these bytes, as they are (QR byte mode, error correction M: up to 15 % may be unreadable). At most 2331. */
export function scannablePicture(bytes: Uint8Array): ScannablePicture {
  const { data: rows, size } = encodeQr([...bytes], { ecc: 'M', border: quietZone });
  const side = size * pixelsPerSquare;
  const isBlack = (x: number, y: number): boolean =>
    rows[Math.floor(y / pixelsPerSquare)]?.[Math.floor(x / pixelsPerSquare)] === true;
  const data = Uint8Array.from({ length: side * side }, (_, at) =>
    isBlack(at % side, Math.floor(at / side)) ? 0 : 255,
  );
  return { png: encodePng({ width: side, height: side, data, depth: 8, channels: 1 }), side };
}
