/** A certificate made when it is needed, since one in a file would end some day, and openssl may not be there. */
import { generateKeyPairSync, sign } from "node:crypto";

/** A key and its certificate for 127.0.0.1, good for some hours; PEM texts. */
export function selfSigned(): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = sequence(set(sequence(commonName, tlv(0x0c, Buffer.from("dockershim test")))));
  const hour = 3_600_000;
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    sequence(ecdsaWithSha256),
    name,
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(sequence(subjectAltName, tlv(0x04, sequence(tlv(0x87, loopback)))))),
  );
  const signature = tlv(0x03, Buffer.from([0]), sign("sha256", body, privateKey));
  const der = sequence(body, sequence(ecdsaWithSha256), signature);
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** DER: a tag, the length, and what is in it. */
function tlv(tag: number, ...content: Buffer[]): Buffer {
  const value = Buffer.concat(content);
  const { length } = value;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), value]);
}
const sequence = (...content: Buffer[]): Buffer => tlv(0x30, ...content);
const set = (...content: Buffer[]): Buffer => tlv(0x31, ...content);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, "hex"));
/** UTCTime, YYMMDDHHMMSSZ. */
const time = (ms: number): Buffer =>
  tlv(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));

const commonName = oid("550403");
const subjectAltName = oid("551d11");
const ecdsaWithSha256 = oid("2a8648ce3d040302");
const loopback = Buffer.from([127, 0, 0, 1]);
