// SPDX-License-Identifier: MIT
// A pass of opt's, by the new pass manager: turns additions of a value to itself into
// shifts, and tells of each function how many.
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Passes/PassPlugin.h>

using namespace llvm;

namespace {
struct Doubling : PassInfoMixin<Doubling> {
	PreservedAnalyses run(Function &function, FunctionAnalysisManager &)
	{
		SmallVector<BinaryOperator *, 8> found;
		for (Instruction &instruction : instructions(function))
			if (auto *binary = dyn_cast<BinaryOperator>(&instruction))
				if (binary->getOpcode() == Instruction::Add &&
					binary->getOperand(0) == binary->getOperand(1))
					found.push_back(binary);
		for (BinaryOperator *binary : found) {
			IRBuilder<> builder(binary);
			binary->replaceAllUsesWith(builder.CreateShl(binary->getOperand(0), 1));
			binary->eraseFromParent();
		}
		errs() << function.getName() << ": " << found.size() << " shifts\n";
		return found.empty() ? PreservedAnalyses::all() : PreservedAnalyses::none();
	}
};
} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo llvmGetPassPluginInfo()
{
	return { LLVM_PLUGIN_API_VERSION, "doubling", "1", [](PassBuilder &builder) {
			builder.registerPipelineParsingCallback(
				[](StringRef name, FunctionPassManager &manager,
					ArrayRef<PassBuilder::PipelineElement>) {
					if (name != "doubling")
						return false;
					manager.addPass(Doubling());
					return true;
				});
		} };
}
