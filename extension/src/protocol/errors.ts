import * as names from './names';

// Codes this build does not know are all the same to people: something went wrong.
export function readErrorCode(value: unknown): names.ErrorCode {
  return names.kErrorCodes.find((code) => code === value) ?? names.kInternal;
}
