module personalize/test/orm/gorm

go 1.23
