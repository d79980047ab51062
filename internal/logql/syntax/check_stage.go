package syntax

// CheckStages says what is wrong with the stages of a query that is well
// written: a stage that cannot work, such as a filter whose regular expression
// does not compile.
func CheckStages(e Expr) error {
	switch e := e.(type) {
	case *LogQuery:
		return checkStages(e.Stages)
	case *RangeAgg:
		if err := checkStages(e.Range.Query.Stages); err != nil || e.Range.Unwrap == nil {
			return err
		}
		for _, f := range e.Range.Unwrap.Filters {
			if err := checkStages([]Stage{f}); err != nil {
				return err
			}
		}
	case *VectorAgg:
		return CheckStages(e.Expr)
	case *LabelReplace:
		return CheckStages(e.Expr)
	case *Binary:
		if err := CheckStages(e.L); err != nil {
			return err
		}
		return CheckStages(e.R)
	}
	return nil
}

func checkStages(list []Stage) error {
	for _, s := range list {
		if err := stageMistake(s); err != nil {
			return StageError(s, err)
		}
	}
	return nil
}

// StageError says what is wrong with a stage.
func StageError(s Stage, err error) *Error {
	return mistakef("stage '%s' : %s", StageString(s), err)
}

func stageMistake(s Stage) error {
	switch s := s.(type) {
	case *LineFilter:
		return lineFilterMistake(s)
	case *LabelFilterStage:
		return labelFilterMistake(s.Filter)
	case *JSONStage:
		for _, x := range s.Exprs {
			if _, err := ParseJSONPath(x.Expr); err != nil {
				return err
			}
		}
	case *LogfmtStage:
		for _, x := range s.Exprs {
			if _, err := ParseLogfmtKey(x.Expr); err != nil {
				return err
			}
		}
	case *LabelFormatStage:
		return labelFormatMistake(s)
	}
	return nil
}

func lineFilterMistake(f *LineFilter) error {
	for i, t := range f.Terms {
		var err error
		switch {
		case t.IP && i == 0 && f.Op != "|=" && f.Op != "!=":
			return mistake("ip: invalid operation")
		case t.IP:
			_, err = ParseIP(t.Value)
		case f.Op == "|~" || f.Op == "!~":
			err = checkExpression(t.Value)
		case f.Op == "|>" || f.Op == "!>":
			_, err = ParseLinePattern(t.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func labelFilterMistake(f LabelFilter) error {
	switch f := f.(type) {
	case *IPFilter:
		_, err := ParseIP(f.Pattern)
		return err
	case *BinaryFilter:
		if err := labelFilterMistake(f.L); err != nil {
			return err
		}
		return labelFilterMistake(f.R)
	}
	return nil
}

func labelFormatMistake(s *LabelFormatStage) error {
	seen := map[string]bool{}
	for _, f := range s.Formats {
		if f.Name == "__error__" {
			return mistake(f.Name + " cannot be formatted")
		}
		if seen[f.Name] {
			return mistake("multiple label name '" + f.Name + "' not allowed in a single format operation")
		}
		seen[f.Name] = true
	}
	return nil
}

// mistake is a sentence about a stage.
type mistake string

func (m mistake) Error() string { return string(m) }
