import type { AccountFiles } from "../images/account-files.js";
import type { ImageFacts } from "../images/images.js";
import {
  needsAccounts,
  noAccounts,
  resolveIdentity,
  type Identity,
  type IdentityRequest,
} from "../linux/identity.js";

/**
 * As whom a process of that image runs; the image's files are read only where the answer is in them.
 * @param name the image's, as the client said it
 */
export async function identify(
  accounts: Pick<AccountFiles, "of">,
  asked: IdentityRequest,
  image: ImageFacts,
  name: string,
): Promise<Identity> {
  const files = needsAccounts(asked, image.user) ? await accounts.of(image) : noAccounts;
  return resolveIdentity(asked, { name, user: image.user }, files);
}
