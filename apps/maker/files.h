// Files of the maker: read with a limit, written once.
#pragma once

#include <sys/types.h>

#include "crypto/keys.h"
#include "maker/commands.h"
#include "platform/pkcs11.h"

namespace latchkey::maker {

inline tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(Error{std::move(message), std::move(hint)});
}

Result<std::vector<Bytes>> read_certificates(const std::filesystem::path& file);
Result<crypto::PrivateKey> read_key(const std::filesystem::path& file);
Result<std::string> read_text(const std::filesystem::path& file);
Result<std::unique_ptr<platform::Pkcs11Signer>> open_token(const TokenOptions& options);

struct NewFile {
  std::filesystem::path path;
  ByteSpan content;
  mode_t mode;
};
// All of them or none; never over something that is there.
Result<void> write_new(const std::vector<NewFile>& files);

}  // namespace latchkey::maker
