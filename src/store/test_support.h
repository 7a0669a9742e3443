// What the store's tests share: folders that vanish, values to store, and a look into the file.
#pragma once

#include <filesystem>
#include <string>

#include "store/agent_store.h"
#include "store/device_store.h"
#include "store/sealer.h"

namespace latchkey::store::testing {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  // Not there yet: the store makes it.
  [[nodiscard]] std::filesystem::path path() const { return base_ / "state"; }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path() / name; }

 private:
  std::filesystem::path base_;
};

// The same bytes in every run.
class CountingRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::uint8_t next_ = 1;
};

// As a sealer that encrypts: bound to its purpose, and the plaintext is not in the file.
class BoundSealer final : public Sealer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "test"; }
  Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) override;
  Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) override;
};

template <class Id>
Id id_of(std::uint8_t n) {
  ByteArray<Id::kSize> bytes{};
  bytes.fill(n);
  return Id(bytes);
}
crypto::PrivateKey key_of(std::uint8_t n);
HostName host_of(std::uint8_t n);
Origin video();

grant::Binding make_binding(std::uint8_t n);
// Pending, on device `n`, without a leaf.
grant::AgentGrant make_grant(std::uint8_t n, std::uint8_t device);
grant::AgentGrant issued(grant::AgentGrant grant);
grant::BoundAgent make_agent(std::uint8_t n);
grant::DeviceGrant make_device_grant(std::uint8_t n, std::uint8_t agent);
grant::DeviceGrant activated(grant::DeviceGrant grant);
DeviceProfile make_profile(std::uint8_t n);

// All fields as text, to compare.
std::string describe(const grant::Binding& binding);
std::string describe(const grant::AgentGrant& grant);
std::string describe(const grant::DeviceGrant& grant);

// Every row of every table, read with plain SQLite after it has recovered.
std::string dump(const std::filesystem::path& file);
// The same without what the store says about itself, such as its generation.
std::string dump_rows(const std::filesystem::path& file);
// Runs SQL on the file behind the store's back.
void tamper(const std::filesystem::path& file, const std::string& sql);
// The first column of every row that `sql` finds, as bytes.
std::vector<Bytes> column(const std::filesystem::path& file, const std::string& sql);
Bytes read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, ByteSpan bytes);

}  // namespace latchkey::store::testing
