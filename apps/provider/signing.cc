#include "signing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "crypto/chain.h"
#include "crypto/x509.h"

namespace latchkey::providerd {
namespace {

using provider::Error;
using provider::ErrorCode;
using provider::Result;

constexpr mode_t kSecret = 0600;
constexpr mode_t kPublic = 0644;
constexpr seconds kBackdate{300};  // clocks of agents may be a little behind

tl::unexpected<Error> invalid(std::string why) {
  return fail(Error{ErrorCode::kInvalid, std::move(why)});
}

struct Fd {
  explicit Fd(int number) : fd(number) {}
  ~Fd() {
    if (fd >= 0) {
      ::close(fd);
    }
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int fd;
};

Result<SecretBytes> read_file(const std::filesystem::path& path, bool secret) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) {
    return invalid(path.string() + ": " + std::strerror(errno) +
                   ". Make keys with: latchkey-provider key root new, then key new");
  }
  if (secret && (info.st_mode & 077) != 0) {
    return invalid(path.string() + " can be read by others. Mend it with: chmod 600 " +
                   path.string());
  }
  if (!S_ISREG(info.st_mode) || static_cast<std::size_t>(info.st_size) > crypto::kMaxPem) {
    return invalid(path.string() + " is not a PEM file");
  }
  SecretBytes bytes(static_cast<std::size_t>(info.st_size));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t more = ::read(file.fd, bytes.writable().data() + got, bytes.size() - got);
    if (more <= 0) {
      return invalid(path.string() + " could not be read");
    }
    got += static_cast<std::size_t>(more);
  }
  return bytes;
}

// Durable under its name when it returns; `replace` false: there must be none of that name.
Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode,
                        bool replace) {
  const auto failed = [&] {
    return fail(Error{ErrorCode::kInternal, path.string() + ": " + std::strerror(errno)});
  };
  const std::string draft = path.string() + ".new";
  {
    ::unlink(draft.c_str());
    const Fd file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.fd < 0 ||
        ::write(file.fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.fd) != 0) {
      return failed();
    }
  }
  // link() never replaces: of two who make a root at once, one is told.
  if (replace ? ::rename(draft.c_str(), path.c_str()) != 0
              : ::link(draft.c_str(), path.c_str()) != 0) {
    const auto error = failed();
    ::unlink(draft.c_str());
    return error;
  }
  ::unlink(draft.c_str());
  const Fd folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.fd >= 0 && ::fsync(folder.fd) == 0 ? Result<void>{} : failed();
}

Result<void> write_key(const std::filesystem::path& path, const crypto::PrivateKey& key,
                       bool replace) {
  const SecretBytes pem = SecretBytes::take(crypto::private_key_to_pem(key));
  return write_file(path, as_text(pem.span()), kSecret, replace);
}

struct Loaded {
  crypto::PrivateKey key;
  std::vector<Bytes> chain;
};
Result<Loaded> load(const std::filesystem::path& key_path,
                    const std::filesystem::path& chain_path) {
  const auto key_text = read_file(key_path, true);
  const auto chain_text = read_file(chain_path, false);
  if (!key_text || !chain_text) {
    return fail(key_text ? chain_text.error() : key_text.error());
  }
  auto key = crypto::private_key_from_pem(as_text(key_text->span()));
  auto chain = crypto::certificates_from_pem(as_text(chain_text->span()));
  if (!key || !chain) {
    return invalid((key ? chain_path : key_path).string() + ": " +
                   (key ? chain.error() : key.error()).detail);
  }
  const auto named = crypto::certificate_key(chain->front());
  if (!named || !(*named == key->public_key())) {
    return invalid(chain_path.string() + " is not the certificate of " + key_path.string());
  }
  return Loaded{*std::move(key), *std::move(chain)};
}

}  // namespace

Result<provider::SigningKey> load_signing_key(const SigningFiles& files, WallTime now) {
  auto loaded = load(files.key_path(), files.chain_path());
  if (!loaded) {
    return fail(loaded.error());
  }
  const auto leaf = crypto::read_chain_leaf(loaded->chain.front());
  if (!leaf || leaf->aaguid || loaded->chain.size() > crypto::kMaxChain) {
    return invalid(files.chain_path().string() +
                   " is not a signing certificate. Make one with: latchkey-provider key new");
  }
  if (now < leaf->not_before || now >= leaf->not_after) {
    return invalid(files.chain_path().string() +
                   " is not valid now. Make a new key with: latchkey-provider key new");
  }
  return provider::SigningKey{std::move(loaded->key), std::move(loaded->chain)};
}

Result<void> make_root(const std::filesystem::path& folder, const NewCertificate& what,
                       WallTime now, Random& random) {
  std::error_code bad;
  std::filesystem::create_directories(folder, bad);
  if (bad) {
    return fail(Error{ErrorCode::kInternal, folder.string() + ": " + bad.message()});
  }
  if (std::filesystem::exists(folder / "root.key") ||
      std::filesystem::exists(folder / "root.pem")) {
    return fail(Error{ErrorCode::kConflict,
                      "there is a root in " + folder.string() +
                          " already. Agents pin it: to make another, choose another folder with "
                          "--keys and see \"Rolling the root over\" in docs/provider.md"});
  }
  const auto key = crypto::PrivateKey::generate();
  const auto certificate = crypto::issue_root({.common_name = what.name,
                                               .organization = {},
                                               .not_before = now - kBackdate,
                                               .not_after = now + what.validity,
                                               .ca_path_length = 1,
                                               .aaguid = std::nullopt},
                                              key, random);
  if (!certificate) {
    return invalid(certificate.error().detail);
  }
  if (auto done = write_key(folder / "root.key", key, false); !done) {
    return done;
  }
  const std::array<Bytes, 1> one = {*certificate};
  return write_file(folder / "root.pem", crypto::certificates_to_pem(one), kPublic, false);
}

Result<void> make_signing_key(const SigningFiles& files, const NewCertificate& what, WallTime now,
                              Random& random) {
  const auto root = load(files.folder / "root.key", files.folder / "root.pem");
  if (!root) {
    return fail(root.error());
  }
  const auto key = crypto::PrivateKey::generate();
  const auto certificate =
      crypto::issue_certificate({.common_name = what.name,
                                 .organization = {},
                                 .not_before = now,
                                 .not_after = now + what.validity,
                                 .ca_path_length = std::nullopt,
                                 .aaguid = std::nullopt},
                                key.public_key(), {root->key, root->chain.front()}, random);
  if (!certificate) {
    return invalid(certificate.error().detail);
  }
  // Between the two renames the pair does not fit, and loading says so: the publisher goes on with
  // the key it has, and `key new` may be repeated.
  if (auto done = write_key(files.key_path(), key, true); !done) {
    return done;
  }
  const std::array<Bytes, 1> one = {*certificate};
  return write_file(files.chain_path(), crypto::certificates_to_pem(one), kPublic, true);
}

}  // namespace latchkey::providerd
