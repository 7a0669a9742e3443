#include "maker/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "crypto/chain.h"

namespace latchkey::maker {
namespace {

bool write_all(int fd, ByteSpan content) {
  while (!content.empty()) {
    const ssize_t done = ::write(fd, content.data(), content.size());
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return false;
    }
    content = content.subspan(static_cast<std::size_t>(done));
  }
  return ::fsync(fd) == 0;
}

Result<void> write_one(const NewFile& file) {
  const int fd =
      ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file.mode);
  if (fd < 0) {
    return errno == EEXIST
               ? refuse(file.path.string() + " is there already.",
                        "Choose another --out: keys and certificates are never overwritten.")
               : refuse(file.path.string() + " cannot be made: " + std::strerror(errno) + ".",
                        "Check the folder.");
  }
  const bool written = write_all(fd, file.content);
  if (::close(fd) != 0 || !written) {
    (void)::unlink(file.path.c_str());
    return refuse(file.path.string() + " cannot be written.", "Check the disk.");
  }
  return {};
}

}  // namespace

Result<std::string> read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(crypto::kMaxPem + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.empty() || text.size() > crypto::kMaxPem) {
    return refuse(file.string() + " cannot be read, is empty, or is too large.",
                  "Check the name of the file.");
  }
  return text;
}

Result<std::vector<Bytes>> read_certificates(const std::filesystem::path& file) {
  const auto text = read_text(file);
  if (!text) {
    return fail(text.error());
  }
  auto all = crypto::certificates_from_pem(*text);
  if (!all || all->empty()) {
    return refuse(file.string() + " holds no certificates.", "It is a file in PEM.");
  }
  return *std::move(all);
}

Result<crypto::PrivateKey> read_key(const std::filesystem::path& file) {
  const auto pem = platform::read_private_file(file, crypto::kMaxPem);
  if (!pem) {
    return refuse(pem.error().message, pem.error().hint);
  }
  auto key = crypto::private_key_from_pem(as_text(pem->span()));
  if (!key) {
    return refuse(file.string() + " holds no private key that is usable here.",
                  "It is an unencrypted EC key on P-256, in PEM.");
  }
  return *std::move(key);
}

Result<std::unique_ptr<platform::Pkcs11Signer>> open_token(const TokenOptions& options) {
  if (options.token.empty() || options.object.empty() || options.pin_file.empty()) {
    return refuse("A key in a token is named by four options together.",
                  "Give --pkcs11, --token, --object and --pin-file.");
  }
  auto signer = platform::Pkcs11Signer::open(
      {options.module, options.token, options.object, options.pin_file});
  if (!signer) {
    return refuse(signer.error().message, signer.error().hint);
  }
  return *std::move(signer);
}

Result<void> write_new(const std::vector<NewFile>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (auto done = write_one(files[i]); !done) {
      while (i-- > 0) {
        (void)::unlink(files[i].path.c_str());
      }
      return done;
    }
  }
  return {};
}

}  // namespace latchkey::maker
