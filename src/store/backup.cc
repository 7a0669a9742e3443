#include "store/backup.h"

#include <array>
#include <optional>

namespace latchkey::store {
namespace {

// Header: magic, version, cost (three bytes), salt. Then chunks: a 4-byte big-endian length and
// that many sealed bytes. Each is bound to the header, to its place and to whether it is the last,
// so that none can be moved, left out or cut off. The first says how many rows follow, one to a
// chunk.
constexpr std::string_view kMagic = "LKBACKUP";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHeaderSize = kMagic.size() + 4 + kSaltSize;
constexpr std::size_t kMaxRecord = 60000;
constexpr std::size_t kMaxColumns = 64;
constexpr std::size_t kMaxName = 64;
// What a file may ask for: 16 to 128 MiB. More would end an agent that may use 256.
constexpr std::uint8_t kLeastRounds = 14;
constexpr std::uint8_t kMostRounds = 17;

enum class Tag : std::uint8_t { kNull, kInteger, kText, kBlob, kSecret };

// One chunk's plaintext. The memory is there from the start, so that no copy is left behind
// unwiped.
class Writer {
 public:
  Writer() { bytes_.reserve(2 * kMaxRecord); }
  ~Writer() { wipe(bytes_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  Writer(Writer&&) = delete;
  Writer& operator=(Writer&&) = delete;

  void number(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) {
      bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
  }
  void field(ByteSpan value) {
    if (bytes_.size() + value.size() + 4 > kMaxRecord) {
      fits_ = false;
      return;
    }
    number(value.size(), 4);
    append(bytes_, value);
  }
  [[nodiscard]] bool fits() const { return fits_ && bytes_.size() <= kMaxRecord; }
  [[nodiscard]] ByteSpan span() const { return bytes_; }

 private:
  Bytes bytes_;
  bool fits_ = true;
};

void write_value(Writer& to, const BackupValue& value) {
  const auto tag = [&](Tag which) { to.number(static_cast<std::uint8_t>(which), 1); };
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    tag(Tag::kInteger);
    to.number(static_cast<std::uint64_t>(*number), 8);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    tag(Tag::kText);
    to.field(as_bytes(*text));
  } else if (const auto* blob = std::get_if<Bytes>(&value)) {
    tag(Tag::kBlob);
    to.field(*blob);
  } else if (const auto* secret = std::get_if<SecretBytes>(&value)) {
    tag(Tag::kSecret);
    to.field(secret->span());
  } else {
    tag(Tag::kNull);
  }
}

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : rest_(bytes) {}
  std::optional<std::uint64_t> number(std::size_t size) {
    if (rest_.size() < size) {
      return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const std::uint8_t byte : rest_.first(size)) {
      value = value << 8U | byte;
    }
    rest_ = rest_.subspan(size);
    return value;
  }
  std::optional<ByteSpan> field() {
    const auto size = number(4);
    if (!size || *size > rest_.size()) {
      return std::nullopt;
    }
    const ByteSpan value = rest_.first(*size);
    rest_ = rest_.subspan(*size);
    return value;
  }
  std::optional<std::string> name() {
    const auto bytes = field();
    if (!bytes || bytes->empty() || bytes->size() > kMaxName) {
      return std::nullopt;
    }
    return std::string(as_text(*bytes));
  }
  std::optional<BackupValue> value() {
    const auto tag = number(1);
    if (!tag || *tag > static_cast<std::uint8_t>(Tag::kSecret)) {
      return std::nullopt;
    }
    switch (static_cast<Tag>(*tag)) {
      case Tag::kNull:
        return BackupValue{};
      case Tag::kInteger: {
        const auto value = number(8);
        return value ? std::optional<BackupValue>(static_cast<std::int64_t>(*value)) : std::nullopt;
      }
      case Tag::kText:
      case Tag::kBlob:
      case Tag::kSecret:
        break;
    }
    const auto bytes = field();
    if (!bytes) {
      return std::nullopt;
    }
    if (static_cast<Tag>(*tag) == Tag::kText) {
      return BackupValue(std::string(as_text(*bytes)));
    }
    if (static_cast<Tag>(*tag) == Tag::kBlob) {
      return BackupValue(to_bytes(*bytes));
    }
    return BackupValue(SecretBytes::copy_of(*bytes));
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  ByteSpan rest_;
};

std::optional<BackupRow> read_row(ByteSpan record) {
  Reader reader(record);
  auto table = reader.name();
  const auto columns = reader.number(1);
  if (!table || !columns || *columns > kMaxColumns) {
    return std::nullopt;
  }
  BackupRow row{*std::move(table), {}};
  for (std::uint64_t i = 0; i < *columns; ++i) {
    auto name = reader.name();
    auto value = name ? reader.value() : std::nullopt;
    if (!value) {
      return std::nullopt;
    }
    row.columns.emplace_back(*std::move(name), *std::move(value));
  }
  return reader.at_end() ? std::optional(std::move(row)) : std::nullopt;
}

Bytes context_of(ByteSpan header, std::uint64_t index, bool last) {
  Bytes context = to_bytes(as_bytes("latchkey backup"));
  append(context, header);
  for (std::size_t i = 8; i-- > 0;) {
    context.push_back(static_cast<std::uint8_t>(index >> (8 * i)));
  }
  context.push_back(last ? 1 : 0);
  return context;
}

void append_chunk(Bytes& file, ByteSpan sealed) {
  for (std::size_t i = 4; i-- > 0;) {
    file.push_back(static_cast<std::uint8_t>(sealed.size() >> (8 * i)));
  }
  append(file, sealed);
}

tl::unexpected<BackupError> refuse(BackupError::Code code) {
  return fail(BackupError{code});
}

}  // namespace

Result<Bytes> seal_backup(const Backup& backup, ByteSpan passphrase, Random& random,
                          const crypto::ScryptCost& cost) {
  const auto too_large = [] {
    return fail(Error{ErrorCode::kConflict, "there is more than a backup may hold"});
  };
  if (backup.rows.size() > kMaxBackupRows) {
    return too_large();
  }
  const auto salt = random.bytes<kSaltSize>();
  Bytes file = to_bytes(as_bytes(kMagic));
  file.insert(file.end(), {kVersion, cost.log2_rounds, cost.block, cost.parallel});
  append(file, salt);
  const Bytes header = file;
  const auto key = crypto::scrypt(passphrase, salt, cost);
  if (!key) {
    return fail(Error{ErrorCode::kIo, "not enough memory for the passphrase"});
  }
  {
    Writer about;
    about.number(backup.schema, 4);
    about.number(static_cast<std::uint64_t>(backup.made.unix_seconds), 8);
    about.number(backup.rows.size(), 4);
    append_chunk(file, crypto::seal_secret(key->span(), context_of(header, 0, backup.rows.empty()),
                                           about.span(), random));
  }
  for (std::size_t i = 0; i < backup.rows.size(); ++i) {
    const BackupRow& row = backup.rows[i];
    Writer record;
    record.field(as_bytes(row.table));
    record.number(row.columns.size(), 1);
    for (const auto& [name, value] : row.columns) {
      record.field(as_bytes(name));
      write_value(record, value);
    }
    if (!record.fits() || row.columns.size() > kMaxColumns) {
      return too_large();
    }
    append_chunk(file, crypto::seal_secret(key->span(),
                                           context_of(header, i + 1, i + 1 == backup.rows.size()),
                                           record.span(), random));
    if (file.size() > kMaxBackupBytes) {
      return too_large();
    }
  }
  return file;
}

latchkey::Result<Backup, BackupError> open_backup(ByteSpan file, ByteSpan passphrase) {
  using Code = BackupError::Code;
  if (file.size() < kHeaderSize || file.size() > kMaxBackupBytes ||
      as_text(file.first(kMagic.size())) != kMagic) {
    return refuse(Code::kForeign);
  }
  const ByteSpan header = file.first(kHeaderSize);
  if (header[kMagic.size()] != kVersion) {
    return refuse(Code::kTooNew);
  }
  const crypto::ScryptCost cost{header[kMagic.size() + 1], header[kMagic.size() + 2],
                                header[kMagic.size() + 3]};
  if (!crypto::is_sane(cost) || cost.log2_rounds < kLeastRounds || cost.log2_rounds > kMostRounds) {
    return refuse(Code::kDamaged);
  }
  const auto key = crypto::scrypt(passphrase, header.last(kSaltSize), cost);
  if (!key) {
    return refuse(Code::kInternal);
  }
  Reader chunks(file.subspan(kHeaderSize));
  const auto next = [&](std::uint64_t index, bool last) -> std::optional<SecretBytes> {
    const auto sealed = chunks.field();
    if (!sealed || sealed->size() > kMaxRecord + crypto::kSealOverhead) {
      return std::nullopt;
    }
    auto plain = crypto::open_secret(key->span(), context_of(header, index, last), *sealed);
    return plain ? std::optional(*std::move(plain)) : std::nullopt;
  };
  // Whether it is the last is known by what opens.
  const Reader start = chunks;
  auto about = next(0, false);
  if (!about) {
    chunks = start;
    about = next(0, true);
  }
  if (!about) {
    chunks = start;
    return refuse(chunks.field() ? Code::kWrongPassphrase : Code::kDamaged);
  }
  Reader reader(about->span());
  const auto schema = reader.number(4);
  const auto made = reader.number(8);
  const auto rows = reader.number(4);
  if (!rows || !reader.at_end() || *rows > kMaxBackupRows) {
    return refuse(Code::kDamaged);
  }
  Backup backup{static_cast<std::uint32_t>(*schema), {static_cast<std::int64_t>(*made)}, {}};
  for (std::uint64_t i = 1; i <= *rows; ++i) {
    const auto record = next(i, i == *rows);
    auto row = record ? read_row(record->span()) : std::nullopt;
    if (!row) {
      return refuse(Code::kDamaged);
    }
    backup.rows.push_back(*std::move(row));
  }
  if (!chunks.at_end()) {
    return refuse(Code::kDamaged);
  }
  return backup;
}

}  // namespace latchkey::store
