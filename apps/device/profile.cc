#include "device/profile.h"

#include <unistd.h>

#include <array>

#include "base/text.h"

namespace latchkey::device {

std::string default_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) {
    return "Latchkey device";
  }
  std::string clean = clean_display_name(name.data());
  return clean.empty() ? "Latchkey device" : clean;
}

store::DeviceProfile fresh_profile(Random& random, std::string name, std::string type) {
  return {crypto::PrivateKey::generate(), random.bytes<32>(), std::move(name), std::move(type)};
}

store::Result<store::DeviceProfile> load_profile(store::DeviceStore& store, Random& random,
                                                 const std::optional<std::string>& name,
                                                 const std::string& type, GivenName keep) {
  auto stored = store.profile();
  if (!stored) {
    return fail(std::move(stored).error());
  }
  const auto wanted = name ? std::optional(clean_display_name(*name)) : std::nullopt;
  if (!*stored) {
    auto fresh = fresh_profile(random, wanted.value_or(default_name()), type);
    if (auto made = store.create_profile(fresh); !made) {
      return fail(std::move(made).error());
    }
    return fresh;
  }
  store::DeviceProfile profile = **std::move(stored);
  profile.type = type;
  if (wanted && *wanted != profile.name) {
    if (keep == GivenName::kStored) {
      if (auto renamed = store.rename(*wanted); !renamed) {
        return fail(std::move(renamed).error());
      }
    }
    profile.name = *wanted;
  }
  return profile;
}

}  // namespace latchkey::device
