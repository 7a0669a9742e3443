// A folder of published files: readable by everybody, each durable before its name is, replaced by
// renaming. Files are mapped, not read.
#pragma once

#include <filesystem>

#include "provider/shelf_port.h"

namespace latchkey::store {

class FileShelf final : public provider::Shelf {
 public:
  // Makes the folder where there is none.
  static provider::Result<FileShelf> open(std::filesystem::path folder);

  provider::Result<std::optional<Held>> read(std::string_view name) override;
  provider::Result<std::unique_ptr<provider::Draft>> draft() override;
  provider::Result<std::vector<Entry>> list() override;
  provider::Result<void> remove(std::string_view name) override;
  provider::Result<void> touch(std::string_view name) override;
  provider::Result<std::shared_ptr<const void>> lock() override;

 private:
  explicit FileShelf(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

}  // namespace latchkey::store
