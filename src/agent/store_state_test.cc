#include "agent/store_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace latchkey::agent {
namespace {

using enum StoreState;

StoreStanding standing_at(StoreState state) {
  StoreStanding standing;
  standing.state = state;
  standing.folder = "/state";
  standing.witness_folder = "/config";
  return standing;
}

const std::vector<StoreState> kLockedStates{
    kKeyringLocked,  kPassphraseNeeded,  kKeyringMissing, kKeyGone, kRolledBack,
    kWitnessMissing, kWitnessUnwritable, kDamaged,        kTooNew,  kUnreadable};

TEST(StoreStateTest, EveryStateHasANameWordsAndSomethingToDo) {
  std::set<std::string> names{"open", "opening"};
  std::set<std::string> words;
  for (const StoreState state : kLockedStates) {
    const StoreStanding standing = standing_at(state);
    EXPECT_TRUE(names.emplace(name_of(state)).second) << name_of(state);
    EXPECT_TRUE(words.insert(words_for(standing)).second) << name_of(state);
    EXPECT_NE(fix_for(standing).find("`latchkey "), std::string::npos) << name_of(state);
    for (const char* jargon : {"witness", "generation", "unseal", "database", "D-Bus"}) {
      EXPECT_EQ(words_for(standing).find(jargon), std::string::npos) << words_for(standing);
    }
    const Error error = locked_error(standing);
    EXPECT_EQ(error.code, wire::ErrorCode::kLocked);
    EXPECT_EQ(locked_json(standing)["state"], name_of(state));
    EXPECT_FALSE(standing.is_open());
  }
  EXPECT_TRUE(fix_for(standing_at(kOpen)).empty());
}

TEST(StoreStateTest, OnlyWhatIsInDoubtIsAccepted) {
  for (const StoreState state : kLockedStates) {
    EXPECT_EQ(can_accept(state), state == kRolledBack || state == kWitnessMissing);
  }
  EXPECT_FALSE(can_accept(kOpen));
}

TEST(StoreStateTest, NobodyStartsAnewForADiskThatIsFull) {
  EXPECT_FALSE(can_start_anew(kOpen));
  EXPECT_FALSE(can_start_anew(kOpening));
  EXPECT_FALSE(can_start_anew(kUnreadable));
  EXPECT_FALSE(can_start_anew(kWitnessUnwritable));
  EXPECT_TRUE(can_start_anew(kDamaged));
  EXPECT_TRUE(can_start_anew(kKeyGone));
  EXPECT_TRUE(can_start_anew(kPassphraseNeeded));
}

TEST(StoreStateTest, StatusSaysHowItIsSealed) {
  StoreStanding open = standing_at(kOpen);
  open.sealed = "keyring";
  EXPECT_EQ(standing_json(open)["sealed"], "keyring");
  EXPECT_EQ(standing_json(open)["witness"], "ok");
  open.witness_failed = true;
  EXPECT_EQ(standing_json(open)["witness"], "failed");
  EXPECT_TRUE(standing_json(standing_at(kOpen))["sealed"].is_null());
}

}  // namespace
}  // namespace latchkey::agent
