// Files of ours: mapped for reading, and written so that they are whole or not there.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "attest/table.h"
#include "base/bytes.h"

namespace latchkey::agentd {

// Read-only bytes of a file of at most 4 GiB; its pages are the system's, not ours.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);  // null: no
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] ByteSpan bytes() const { return {data_, size_}; }
  // Gives back the pages that were read; they come again when they are needed.
  void let_go() const;

 private:
  MappedFile(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  const std::uint8_t* data_;
  std::size_t size_;
};

// A new file beside its final place. Removed again unless commit() was called.
class NewFile final : public attest::Sink {
 public:
  explicit NewFile(std::filesystem::path path);
  ~NewFile() override;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  bool write(ByteSpan bytes) override;
  // All is on the disk, under its name, whatever happens to the power.
  bool commit();

 private:
  bool flush();
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  Bytes buffer_;
};

bool write_file(const std::filesystem::path& path, std::string_view text);
// At most `limit` bytes; empty where there is no such file, or more in it.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace latchkey::agentd
