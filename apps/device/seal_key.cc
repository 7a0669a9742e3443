#include "device/seal_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/encoding.h"
#include "crypto/sealing.h"
#include "net/local_message.h"
#include "platform/pkcs11.h"

namespace latchkey::device {

namespace {

using platform::Error;

constexpr std::string_view kHead = "latchkey-seal-key-1 ";
constexpr std::size_t kDigits = 2 * crypto::kSealKeySize;
constexpr std::size_t kMaxFile = kHead.size() + kDigits + 2;  // an end of line of either kind

std::optional<std::uint8_t> digit(std::uint8_t c) {
  if (c >= '0' && c <= '9') {
    return static_cast<std::uint8_t>(c - '0');
  }
  return c >= 'a' && c <= 'f' ? std::optional(static_cast<std::uint8_t>(c - 'a' + 10))
                              : std::nullopt;
}

// systemd lets the service's user read it by an access list, which looks like the group's right.
bool is_credential(const std::filesystem::path& path) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  return folder != nullptr && *folder == '/' &&
         path.lexically_normal().parent_path() == std::filesystem::path(folder).lexically_normal();
}

Error system_error(const std::filesystem::path& path) {
  return {Error::Code::kSystem, path.string() + " cannot be written: " + std::strerror(errno) + ".",
          "Check the folder and its permissions."};
}

}  // namespace

Result<SecretBytes, Error> read_seal_key(const std::filesystem::path& path) {
  const auto file = platform::read_private_file(
      path, kMaxFile,
      is_credential(path) ? platform::Readers::kGroupToo : platform::Readers::kOwner);
  if (!file) {
    return fail(file.error());
  }
  ByteSpan text = file->span();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text = text.first(text.size() - 1);
  }
  SecretBytes key(crypto::kSealKeySize);
  bool good = text.size() == kHead.size() + kDigits && as_text(text.first(kHead.size())) == kHead;
  for (std::size_t i = 0; good && i < key.size(); ++i) {
    const auto high = digit(text[kHead.size() + 2 * i]);
    const auto low = digit(text[kHead.size() + 2 * i + 1]);
    good = high && low;
    key.writable()[i] = static_cast<std::uint8_t>(high.value_or(0) * 16 + low.value_or(0));
  }
  if (!good) {
    return fail(Error{Error::Code::kMisuse, path.string() + " holds no key for sealing.",
                      "Name the file that latchkey-device seal made."});
  }
  return key;
}

Result<void, Error> make_seal_key(const std::filesystem::path& path, Random& random) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  SecretBytes key(crypto::kSealKeySize);
  random.fill(key.writable());
  SecretBytes text(kHead.size() + kDigits + 1);
  auto out = text.writable();
  std::memcpy(out.data(), kHead.data(), kHead.size());
  for (std::size_t i = 0; i < key.size(); ++i) {
    out[kHead.size() + 2 * i] = static_cast<std::uint8_t>(kHex[key.span()[i] >> 4U]);
    out[kHead.size() + 2 * i + 1] = static_cast<std::uint8_t>(kHex[key.span()[i] & 15U]);
  }
  out.back() = '\n';
  // Under its name only when it is whole: half a key would seal a store that nothing opens.
  const std::filesystem::path fresh = path.string() + ".new";
  (void)::unlink(fresh.c_str());
  {
    const net::OwnedFd file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.is_open() ||
        ::write(file.get(), text.span().data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.get()) != 0) {
      return fail(system_error(fresh));
    }
  }
  // link(2) takes no name that is there.
  const int linked = ::link(fresh.c_str(), path.c_str());
  const int why = errno;
  (void)::unlink(fresh.c_str());
  if (linked != 0) {
    errno = why;
    return why == EEXIST ? fail(Error{Error::Code::kForeign, path.string() + " is there already.",
                                      "Choose another name; nothing was changed."})
                         : fail(system_error(path));
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const net::OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.is_open() && ::fsync(fd.get()) == 0 ? Result<void, Error>()
                                                : fail(system_error(folder));
}

}  // namespace latchkey::device
