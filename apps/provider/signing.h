// The provider's signing keys on disk: PEM files, private ones of mode 0600.
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "provider/publisher.h"

namespace latchkey::providerd {

// Where keys are, and what publishing says; options of `publish`, `serve` and `key`.
struct SigningFiles {
  std::filesystem::path folder = "/var/lib/latchkey-provider/keys";
  std::string key;    // empty: <folder>/signing.key
  std::string chain;  // empty: <folder>/signing.pem
  [[nodiscard]] std::filesystem::path key_path() const {
    return key.empty() ? folder / "signing.key" : std::filesystem::path(key);
  }
  [[nodiscard]] std::filesystem::path chain_path() const {
    return chain.empty() ? folder / "signing.pem" : std::filesystem::path(chain);
  }
};

// kInvalid with what to do where a file is missing, readable by others, or not of the other. The
// certificate must be valid at `now`.
provider::Result<provider::SigningKey> load_signing_key(const SigningFiles& files, WallTime now);

struct NewCertificate {
  std::string name;
  seconds validity;
};
// A root: <folder>/root.key and <folder>/root.pem, which is what agents pin. Never replaces one.
provider::Result<void> make_root(const std::filesystem::path& folder, const NewCertificate& what,
                                 WallTime now, Random& random);
// A signing key and its certificate under that root. Replaces the pair that is there, whole:
// rolling over is making a new one and publishing.
provider::Result<void> make_signing_key(const SigningFiles& files, const NewCertificate& what,
                                        WallTime now, Random& random);

}  // namespace latchkey::providerd
